import { ON_DIVERGENCE } from '../primary/upload/on-divergence.js'
import { concealCommand, concealHeartbeat } from './concealed.js'
import { DEFAULTS, MAX_LEVELS } from './defaults.js'
import { inheritedAge, inheritedReplicaKeys, replicaFields, replicaSection } from './replica-settings.js'
import { boolean, choice, concealedText, duration, integer, permissions, size, text } from './scalars.js'
import { list, type Read, section } from './shape.js'

const snapshot = (description: string) =>
  section(
    {
      interval: duration('Interval between two full snapshots; greater than 0.', DEFAULTS.snapshotInterval),
      retention: duration(
        'How long a snapshot is kept, with the files from which later states are restored; greater than 0.',
        DEFAULTS.snapshotRetention,
      ),
    },
    { description },
  )

const levels = list(
  section({
    interval: duration(
      'Interval at which files of the level below are merged into a file of this level; greater than 0.',
    ),
  }),
  {
    description: 'The compaction levels: the first entry is level 1, and each further entry is the next level.',
    defaultText: '30s, 5m, 1h',
    most: MAX_LEVELS,
    tooLong: `at most ${MAX_LEVELS} compaction levels can be configured`,
  },
)

const mirrorSection = section(
  {
    ...replicaFields,
    retention: duration(
      'How long the mirror keeps snapshots and files of levels 1 to 8 after the replica has deleted them. By default, the mirror deletes a file when the replica has deleted the file.',
    ),
    interval: duration(
      'Minimum time between two runs of the mirror while the replica changes; greater than 0.',
      DEFAULTS.mirrorInterval,
    ),
    limit: size('Maximum number of bytes that a mirror copies per second.', 'no limit', { min: 1 }),
  },
  { title: 'mirror' },
)

const databaseSection = section({
  path: text('Path of the database file. `~`, `sqlite://` and `$VAR` are supported. Set either `path` or `dir`.'),
  dir: text('A directory whose databases are replicated, each to its relative path below the replica.'),
  pattern: text('With `dir`: glob for the names of the database files, such as `*.db`; required.'),
  recursive: boolean('With `dir`: include databases in subdirectories.', false),
  watch: boolean(
    'With `dir`: also replicate databases that are created after the start, and stop replicating databases that are deleted.',
    false,
  ),
  'meta-path': text("The state folder, for the database's local LTX files.", '.<name>-litestream beside the database'),
  'meta-dir': text('With `dir`: a directory for the state folders of all databases.'),
  'monitor-interval': duration(
    'Interval at which the WAL is checked for new commits; with 0, the WAL is checked only when `sync` is called.',
    DEFAULTS.monitorInterval,
  ),
  'checkpoint-interval': duration(
    'Longest interval between two passive checkpoints after writes; 0 means no limit.',
    DEFAULTS.checkpointInterval,
  ),
  'busy-timeout': duration('How long replication waits for a lock of the database.', DEFAULTS.busyTimeout),
  'min-checkpoint-page-count': integer(
    'Number of pages in the WAL from which a passive checkpoint is run; greater than 0.',
    DEFAULTS.minCheckpointPageCount,
  ),
  'truncate-page-n': integer(
    'Number of pages in the WAL from which a truncating checkpoint is run; 0 means the default, a negative number means never.',
    DEFAULTS.truncatePageN,
  ),
  'max-checkpoint-page-count': integer('This key of Litestream 0.3 is replaced by `truncate-page-n`.', undefined, {
    unused: true,
  }),
  'max-sync-wal-bytes': size(
    'Maximum number of WAL bytes per LTX file, checked at the end of each commit; 0 means no limit.',
    '64MiB',
  ),
  'restore-if-db-not-exists': boolean(
    'Restore the database from its replica before replicating, if the file is missing.',
    false,
  ),
  'allow-missing': boolean(
    'Only in litestream-ts: true if the database file may be missing. If false, a missing file is reported, and `/healthz` is not ok after one minute.',
    false,
  ),
  'on-divergence': choice(
    ON_DIVERGENCE,
    'Only in litestream-ts: what the primary does with a database that does not continue the newest state of its replica, such as an empty database after the volume was lost. With `continue`, the primary logs a warning, keeps the previous state of the replica for `retention.diverged`, and replicates the database. With `refuse`, the primary uploads nothing until `litestream-ts acknowledge`. With `restore`, the primary replaces the database by the newest state of the replica, and keeps the replaced file beside the database.',
    'continue',
  ),
  lease: boolean(
    'Only in litestream-ts: write only while holding a lease in the replica (`lock.json`), and stand by while another primary holds the lease.',
    false,
  ),
  'lease-ttl': duration(
    'Only in litestream-ts: how long a lease is valid without renewal; at least 1s.',
    DEFAULTS.leaseTtl,
  ),
  snapshot: snapshot(
    'Schedule of the full snapshots. All databases share one schedule, as in Litestream, so different values are an error.',
  ),
  replica: replicaSection('The replica of the database.'),
  mirrors: list(mirrorSection, {
    description: 'Only in litestream-ts: further destinations, to which the LTX files of the replica are copied.',
  }),
  replicas: list(replicaSection(), {
    description: 'This key of Litestream 0.3 is a list with exactly one replica; use `replica`.',
  }),
})

/**
 * The definition of litestream.yml. The types, the validation, the JSON Schema and the
 * documentation are derived from this definition.
 */
export const configSchema = section(
  {
    addr: text(
      'Address of the metrics, health and status page, such as `127.0.0.1:9090`. A port alone listens only on 127.0.0.1; write `0.0.0.0:9090` for every interface.',
      'off',
    ),
    'mcp-addr': text(
      'Address of the MCP server, through which AI agents can list, inspect and restore databases, such as `127.0.0.1:3001`. A port alone listens only on 127.0.0.1. The server has no authentication. Requires the package `@modelcontextprotocol/sdk`.',
      'off',
    ),
    exec: concealedText('A program to run with its arguments; replication ends when the program ends.', concealCommand),
    socket: section(
      {
        enabled: boolean('Listen on the control socket for the commands `start`, `stop`, `sync` and others.', false),
        path: text('Path of the socket file; on Windows the name of a pipe, `\\\\.\\pipe\\NAME`.', DEFAULTS.socketPath),
        permissions: permissions(
          'File mode of the socket file. The mode has no effect on Windows, where this user and administrators can open the pipe.',
          DEFAULTS.socketPermissions,
        ),
      },
      { description: 'The control socket.' },
    ),
    levels,
    snapshot: snapshot('The schedule of full snapshots.'),
    validation: section(
      {
        interval: duration(
          'Interval at which all levels are checked for gaps and overlaps, and the database with `PRAGMA quick_check`, at most once a day.',
          undefined,
        ),
        'restore-interval': duration(
          'Only in litestream-ts: interval at which each replica is restored to a scratch file and checked, one database at a time.',
        ),
        'restore-dir': text(
          'Only in litestream-ts: directory for the scratch files of `restore-interval`.',
          'the state folder of each database',
        ),
      },
      { description: 'Checks of the replica while the process runs.' },
    ),
    'l0-retention': duration(
      'How long L0 files are kept after they were compacted; 0 means forever.',
      DEFAULTS.l0Retention,
    ),
    'l0-retention-check-interval': duration(
      'Interval at which `l0-retention` is enforced; greater than 0.',
      DEFAULTS.l0RetentionCheckInterval,
    ),
    'verify-compaction': boolean(
      'After each compaction, list the files of the target level and check that no TXID is missing.',
      false,
    ),
    retention: section(
      {
        enabled: boolean(
          'Delete old files from the replica. If false, lifecycle rules of the bucket must delete old files.',
          true,
        ),
        diverged: duration(
          'Only in litestream-ts: how long the previous state of the replica is kept if a database does not continue this state, for example after the volume was lost. With 0, the state is kept no longer than other states.',
          DEFAULTS.divergedRetention,
        ),
      },
      {
        description: 'Deletion of old files.',
        expected: 'expected a section with `enabled` (a duration belongs in `snapshot.retention`)',
      },
    ),
    'heartbeat-url': concealedText(
      'An http(s) URL that is requested with GET while every database is replicated.',
      concealHeartbeat,
    ),
    'heartbeat-interval': duration(
      'Interval of the requests to `heartbeat-url`; at least 1m.',
      DEFAULTS.heartbeatInterval,
    ),
    'shutdown-sync-timeout': duration(
      'How long the last upload is retried at a shutdown; 0 means one attempt.',
      DEFAULTS.shutdownSyncTimeout,
    ),
    'shutdown-sync-interval': duration(
      'Interval between the attempts of the last upload at a shutdown; greater than 0.',
      DEFAULTS.shutdownSyncInterval,
    ),
    'exec-stop-timeout': duration(
      'Only in litestream-ts: how long the program of `exec` may take to end after SIGTERM or SIGINT before the process kills the program; greater than 0.',
      DEFAULTS.execStopTimeout,
    ),
    logging: section(
      {
        level: choice(
          ['trace', 'debug', 'info', 'warn', 'warning', 'error'],
          'Log level: `trace`, `debug`, `info`, `warn` or `error`. `LOG_LEVEL` and `-log-level` take precedence.',
          'info',
        ),
        type: choice(['text', 'json', 'pretty'], 'Format of the log: `text`, `json` or `pretty`.', 'text'),
        stderr: boolean(
          'Stream of the log: stderr if true, stdout if false. The default of Litestream is stdout.',
          true,
        ),
        source: boolean(
          'Whether each log line names the source file and line number of the code that wrote it.',
          false,
        ),
      },
      { description: 'Settings of the log.' },
    ),
    ...inheritedReplicaKeys,
    age: inheritedAge,
    dbs: list(databaseSection, { description: 'The databases.' }),
  },
  { expected: 'expected a file of `key: value` lines' },
)

export type ConfigFile = NonNullable<Read<typeof configSchema>>
export type DatabaseFile = NonNullable<ConfigFile['dbs']>[number]
