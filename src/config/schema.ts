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
        'How long snapshots, and the files for restoring states since them, are kept; greater than 0.',
        DEFAULTS.snapshotRetention,
      ),
    },
    { description },
  )

const levels = list(
  section({ interval: duration('Interval at which the level below is merged into this one; greater than 0.') }),
  {
    description: 'The compaction levels: the first entry is level 1, the second level 2, and so on.',
    defaultText: '30s, 5m, 1h',
    most: MAX_LEVELS,
    tooLong: `at most ${MAX_LEVELS} compaction levels can be configured`,
  },
)

const mirrorSection = section(
  {
    ...replicaFields,
    retention: duration(
      "How long snapshots and levels 1 to 8 are kept in the mirror after the replica has deleted them. Default: they are deleted with the replica's.",
    ),
    interval: duration(
      'Minimum time between two passes while the replica changes; greater than 0.',
      DEFAULTS.mirrorInterval,
    ),
    limit: size('Maximum bytes per second.', 'no limit', { min: 1 }),
  },
  { title: 'mirror' },
)

const databaseSection = section({
  path: text('Path of the database file. `~`, `sqlite://` and `$VAR` are supported. Set either this or `dir`.'),
  dir: text('A directory whose databases are replicated, each to its relative path below the replica.'),
  pattern: text('With `dir`: glob for file names, such as `*.db`. Required with `dir`.'),
  recursive: boolean('With `dir`: include databases in subdirectories.', false),
  watch: boolean('With `dir`: replicate databases that appear later, and stop for those that are deleted.', false),
  'meta-path': text("The state folder, for the database's local LTX files.", '.<name>-litestream beside it'),
  'meta-dir': text('With `dir`: a directory for the state folders of all databases.'),
  'monitor-interval': duration(
    'Interval at which the WAL is checked; 0: only when `sync` is called.',
    DEFAULTS.monitorInterval,
  ),
  'checkpoint-interval': duration(
    'Longest interval between two passive checkpoints after writes; 0: no limit.',
    DEFAULTS.checkpointInterval,
  ),
  'busy-timeout': duration('How long to wait for a lock of the database.', DEFAULTS.busyTimeout),
  'min-checkpoint-page-count': integer(
    'Run a passive checkpoint when the WAL has this many pages; greater than 0.',
    DEFAULTS.minCheckpointPageCount,
  ),
  'truncate-page-n': integer(
    'Run a truncating checkpoint when the WAL has this many pages; 0: the default; negative: never.',
    DEFAULTS.truncatePageN,
  ),
  'max-checkpoint-page-count': integer('Litestream 0.3; now `truncate-page-n`.', undefined, { unused: true }),
  'max-sync-wal-bytes': size('Maximum bytes of WAL per LTX file, checked at commits; 0: no limit.', '64MiB'),
  'restore-if-db-not-exists': boolean(
    'Restore the database from its replica before replicating, if the file is missing.',
    false,
  ),
  'allow-missing': boolean(
    'Not in Litestream: the database file may be missing. Otherwise a missing file is reported, and `/healthz` is not ok after one minute.',
    false,
  ),
  'on-divergence': choice(
    ON_DIVERGENCE,
    "Not in Litestream: what to do with a database that does not continue the newest state of its replica, such as an empty one after its volume was lost. `continue`: warn, keep the replica's previous state for `retention.diverged`, and replicate; `refuse`: upload nothing until `litestream-ts acknowledge`; `restore`: replace the database by the newest state of the replica, and keep the replaced file beside it.",
    'continue',
  ),
  lease: boolean(
    'Not in Litestream: write only while holding a lease in the replica (`lock.json`), and stand by while another primary holds it.',
    false,
  ),
  'lease-ttl': duration(
    'Not in Litestream: how long a lease is valid without renewal; at least 1s.',
    DEFAULTS.leaseTtl,
  ),
  snapshot: snapshot('One schedule for the whole process, as in Litestream; databases must not disagree.'),
  replica: replicaSection('The replica of the database.'),
  mirrors: list(mirrorSection, {
    description: 'Not in Litestream: further destinations, to which the LTX files of the replica are copied.',
  }),
  replicas: list(replicaSection(), { description: 'Litestream 0.3: a list with exactly one replica.' }),
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
    exec: concealedText('A command to run; replication ends when the command ends.', concealCommand),
    socket: section(
      {
        enabled: boolean('Listen for the commands `start`, `stop`, `sync` and others.', false),
        path: text('Path of the socket file; on Windows the name of a pipe, `\\\\.\\pipe\\NAME`.', DEFAULTS.socketPath),
        permissions: permissions(
          'Mode of the socket file; without effect on Windows, where the pipe is open to this user and administrators.',
          DEFAULTS.socketPermissions,
        ),
      },
      { description: 'The control socket.' },
    ),
    levels,
    snapshot: snapshot('Full snapshots.'),
    validation: section(
      {
        interval: duration(
          'Interval at which all levels are checked for gaps and overlaps, and the database with `PRAGMA quick_check`, at most once a day.',
          undefined,
        ),
        'restore-interval': duration(
          'Not in Litestream: interval at which each replica is restored to a scratch file and checked, one database at a time.',
        ),
        'restore-dir': text(
          'Not in Litestream: directory for the scratch files of `restore-interval`.',
          'the state folder of each database',
        ),
      },
      { description: 'Checks of the replica while the process runs.' },
    ),
    'l0-retention': duration('How long L0 files are kept after they were compacted; 0: forever.', DEFAULTS.l0Retention),
    'l0-retention-check-interval': duration(
      'Interval at which `l0-retention` is enforced; greater than 0.',
      DEFAULTS.l0RetentionCheckInterval,
    ),
    'verify-compaction': boolean('List the level after each compaction and check that it has no gap.', false),
    retention: section(
      {
        enabled: boolean('Delete old files from the replica; if off, rules of the bucket must do it.', true),
        diverged: duration(
          "Not in Litestream: how long the replica's previous state is kept if a database does not continue it, for example after its volume was lost; 0: no longer than other states.",
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
    'heartbeat-interval': duration('Interval of the requests; at least 1m.', DEFAULTS.heartbeatInterval),
    'shutdown-sync-timeout': duration(
      'How long the last upload is retried at a shutdown; 0: one attempt.',
      DEFAULTS.shutdownSyncTimeout,
    ),
    'shutdown-sync-interval': duration(
      'Interval between these attempts; greater than 0.',
      DEFAULTS.shutdownSyncInterval,
    ),
    'exec-stop-timeout': duration(
      'Not in Litestream: how long the program of `exec` may take to end after SIGTERM or SIGINT before it is killed; greater than 0.',
      DEFAULTS.execStopTimeout,
    ),
    logging: section(
      {
        level: choice(
          ['trace', 'debug', 'info', 'warn', 'warning', 'error'],
          '`trace`, `debug`, `info`, `warn` or `error`. `LOG_LEVEL` and `-log-level` take precedence.',
          'info',
        ),
        type: choice(['text', 'json', 'pretty'], '`text`, `json` or `pretty`.', 'text'),
        stderr: boolean(
          'Where logs go: `true` to stderr, `false` to stdout, which is the default of Litestream.',
          true,
        ),
        source: boolean('Whether each line names the file and line of the code that logged it.', false),
      },
      { description: 'Logs.' },
    ),
    ...inheritedReplicaKeys,
    age: inheritedAge,
    dbs: list(databaseSection, { description: 'The databases.' }),
  },
  { expected: 'expected a file of `key: value` lines' },
)

export type ConfigFile = NonNullable<Read<typeof configSchema>>
export type DatabaseFile = NonNullable<ConfigFile['dbs']>[number]
