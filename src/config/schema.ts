import { ON_DIVERGENCE } from '../primary/upload/on-divergence.js'
import { concealCommand, concealHeartbeat } from './concealed.js'
import { DEFAULTS, MAX_LEVELS } from './defaults.js'
import {
  inheritedAge,
  inheritedReplicaKeys,
  legacyReplicaKeys,
  replicaFields,
  replicaSection,
} from './replica-settings.js'
import { boolean, choice, concealedText, duration, integer, permissions, size, text } from './scalars.js'
import { list, type Read, section } from './shape.js'

const snapshot = (description: string) =>
  section(
    {
      interval: duration('How often a full snapshot is written; greater than 0.', DEFAULTS.snapshotInterval),
      retention: duration(
        'How long snapshots are kept, and what is needed to restore since them; greater than 0.',
        DEFAULTS.snapshotRetention,
      ),
    },
    { description },
  )

const levels = list(
  section({ interval: duration('How often the level below is merged into this one; greater than 0.') }),
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
      'How long snapshots and levels 1 to 8 stay in the mirror after the replica has deleted them; absent: they are deleted with the replica.',
    ),
    interval: duration('Time between two passes while the replica changes; greater than 0.', DEFAULTS.mirrorInterval),
    limit: size('Most bytes per second.', 'no limit', { min: 1 }),
  },
  { title: 'mirror' },
)

const databaseSection = section({
  path: text('The database file. `~`, `sqlite://` and `$VAR` are understood. Either this or `dir`.'),
  dir: text('A directory whose databases are replicated, each below the replica under its own relative path.'),
  pattern: text('With `dir`: glob for file names, such as `*.db`. Required there.'),
  recursive: boolean('With `dir`: look into directories below too.', false),
  watch: boolean('With `dir`: take up databases that appear later, let go of those that vanish.', false),
  'meta-path': text("Where the database's local LTX files are kept.", '.<name>-litestream beside it'),
  'meta-dir': text('With `dir`: a directory for the local LTX files of all of them.'),
  'monitor-interval': duration(
    'How often the WAL is looked at; 0: only when `sync` asks for it.',
    DEFAULTS.monitorInterval,
  ),
  'checkpoint-interval': duration(
    'A passive checkpoint at least this often after writes; 0 turns it off.',
    DEFAULTS.checkpointInterval,
  ),
  'busy-timeout': duration('How long to wait for a lock of the database.', DEFAULTS.busyTimeout),
  'min-checkpoint-page-count': integer(
    'A passive checkpoint once the WAL holds this many pages; greater than 0.',
    DEFAULTS.minCheckpointPageCount,
  ),
  'truncate-page-n': integer(
    'A truncating checkpoint once the WAL holds this many pages; 0 means the default, a negative number turns it off.',
    DEFAULTS.truncatePageN,
  ),
  'max-checkpoint-page-count': integer('Litestream 0.3; now `truncate-page-n`.', undefined, { unused: true }),
  'max-sync-wal-bytes': size(
    'How much of the WAL one LTX file takes up at most, checked at commits; 0 for no limit.',
    '64MiB',
  ),
  'restore-if-db-not-exists': boolean(
    'Restore the database from its replica before replicating, if the file is missing.',
    false,
  ),
  'allow-missing': boolean(
    'Ours: the database file may be missing. Otherwise a missing file is reported, and `/healthz` is not ok after a minute.',
    false,
  ),
  'on-divergence': choice(
    ON_DIVERGENCE,
    'Ours: what to do with a database that does not continue the newest state of its replica, such as an empty one after its volume was lost. `continue`: warn, keep the state before it for `retention.diverged`, and replicate; `refuse`: upload nothing until `litestream-ts acknowledge`; `restore`: replace the database by the newest state of the replica, and keep it beside that.',
    'continue',
  ),
  lease: boolean(
    'Ours: write only while a lease in the replica (`lock.json`) is held, and stand by while another primary holds it.',
    false,
  ),
  'lease-ttl': duration('Ours: how long a lease lasts that its owner does not renew; at least 1s.', DEFAULTS.leaseTtl),
  snapshot: snapshot('Taken for the whole process, as in Litestream; databases must not disagree.'),
  replica: replicaSection('Where the database is replicated to.'),
  mirrors: list(mirrorSection, {
    description: 'Ours: second destinations, to which the LTX files of the replica are copied.',
  }),
  replicas: list(replicaSection(), { description: 'Litestream 0.3: a list with exactly one replica.' }),
})

/**
 * The definition of litestream.yml, from which types, validation, JSON Schema and documentation are
 * derived.
 */
export const configSchema = section(
  {
    addr: text(
      'Address of the metrics, health and status page, such as `127.0.0.1:9090`. A port alone listens on 127.0.0.1 only; write `0.0.0.0:9090` for every interface.',
      'off',
    ),
    'mcp-addr': text('Read and ignored: there is no MCP server here.', 'off', { unused: true }),
    exec: concealedText('A command to run; replication ends when it does.', concealCommand),
    socket: section(
      {
        enabled: boolean('Listen for `start`, `stop`, `sync` and the like.', false),
        path: text('The socket file.', DEFAULTS.socketPath),
        permissions: permissions('Its file mode.', DEFAULTS.socketPermissions),
      },
      { description: 'The control socket.' },
    ),
    levels,
    snapshot: snapshot('Full snapshots.'),
    validation: section(
      {
        interval: duration(
          'How often all levels are checked for gaps and overlaps, and the database by `PRAGMA quick_check`, this at most once a day.',
          undefined,
        ),
        'restore-interval': duration(
          'Ours: how often each replica is restored to a scratch file and checked, one database at a time.',
        ),
        'restore-dir': text(
          'Ours: directory for the scratch files of `restore-interval`.',
          'the state folder of each database',
        ),
      },
      { description: 'Checks of the replica while it runs.' },
    ),
    'l0-retention': duration(
      'How long level 0 files stay after they were compacted; 0 keeps them.',
      DEFAULTS.l0Retention,
    ),
    'l0-retention-check-interval': duration(
      'How often that is looked at; greater than 0.',
      DEFAULTS.l0RetentionCheckInterval,
    ),
    'verify-compaction': boolean('List the level after each compaction and check that it has no gap.', false),
    retention: section(
      {
        enabled: boolean('Delete old files from the replica; off leaves that to the rules of the bucket.', true),
        diverged: duration(
          'Ours: how long the state of the replica stays that a database did not continue, as after its volume was lost; 0 keeps it no longer than others.',
          DEFAULTS.divergedRetention,
        ),
      },
      {
        description: 'Deletion of old files.',
        expected: 'expected a section with `enabled` (a duration belongs in `snapshot.retention`)',
      },
    ),
    'heartbeat-url': concealedText('An http(s) URL to GET while every database is replicated.', concealHeartbeat),
    'heartbeat-interval': duration('How often; at least 1m.', DEFAULTS.heartbeatInterval),
    'shutdown-sync-timeout': duration(
      'How long the last upload is retried when stopping; 0 tries once.',
      DEFAULTS.shutdownSyncTimeout,
    ),
    'shutdown-sync-interval': duration(
      'The pause between those attempts; greater than 0.',
      DEFAULTS.shutdownSyncInterval,
    ),
    'exec-stop-timeout': duration(
      'Ours: how long the program of `exec` may take to end after SIGTERM or SIGINT before it is killed; greater than 0.',
      DEFAULTS.execStopTimeout,
    ),
    logging: section(
      {
        level: choice(
          ['trace', 'debug', 'info', 'warn', 'warning', 'error'],
          '`trace`, `debug`, `info`, `warn` or `error`. `LOG_LEVEL` and `-log-level` go first.',
          'info',
        ),
        type: choice(['text', 'json', 'pretty'], '`text`, `json` or `pretty`.', 'text'),
        stderr: boolean(
          'Where logs go: `true` to stderr, `false` to stdout, which is the default of Litestream.',
          true,
        ),
        source: boolean('Has no effect.', false, { unused: true }),
      },
      { description: 'Logs.' },
    ),
    ...inheritedReplicaKeys,
    age: inheritedAge,
    dbs: list(databaseSection, { description: 'The databases.' }),
  },
  { expected: 'expected a file of `key: value` lines' },
)

export const legacyKeys = Object.keys(legacyReplicaKeys)
export type ConfigFile = NonNullable<Read<typeof configSchema>>
export type DatabaseFile = NonNullable<ConfigFile['dbs']>[number]
