import { expandPath } from '../../config/expand-path.js'
import { LitestreamError } from '../../errors.js'
import { restore } from '../../restore/restore.js'
import { formatBytes } from '../../util/format-bytes.js'
import type { ManagedDatabase } from '../daemon/managed-database.js'
import { countFlag, timeOf, timestampFlag, txidFlag } from '../flag-values.js'
import { deleteLocalState } from '../local-state.js'
import { restoreJson, restoreText } from '../restore-report.js'
import { withTarget } from '../target.js'
import { readAs } from './arguments.js'
import { checked, databasesOf, targetOf } from './databases.js'
import { CONFIG, type Tool, type ToolArguments, type ToolCall } from './tool.js'

export const restoreTool: Tool = {
  name: 'litestream_restore',
  description:
    'Restore a database from its replica: the newest state, or the state at a TXID or time. Never replaces an existing file.',
  parameters: {
    path: { type: 'string', description: 'Path of a database, or replica URL.' },
    o: {
      type: 'string',
      description: 'Path of the restored database. By default, the tool restores to the path of the database.',
    },
    config: {
      type: 'string',
      description: `${CONFIG.description} The tool ignores \`config\` if \`path\` is a replica URL.`,
    },
    txid: { type: 'string', description: 'Restore to this TXID, 16 hexadecimal digits.' },
    timestamp: { type: 'string', description: 'Restore to the last state before this time (RFC 3339).' },
    parallelism: { type: 'string', description: 'Number of parallel requests, from 1 to 1000 (default: 8).' },
    if_db_not_exists: { type: 'boolean', description: 'Do nothing and report no error if the output exists.' },
    if_replica_exists: { type: 'boolean', description: 'Do nothing and report no error if the replica has no files.' },
  },
  required: ['path'],
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  async run(args, call) {
    const { signal } = call
    const target = await targetOf(args, call.daemon)
    const output = outputPath(args, target.database?.path)
    const txid = readAs(args, 'txid', txidFlag)
    const timestamp = await timeOf(readAs(args, 'timestamp', timestampFlag))
    const parallelism = readAs(args, 'parallelism', countFlag)
    return withTarget(
      target,
      async (client) => {
        const result = await restore(client, {
          output,
          txid,
          timestamp,
          parallelism,
          ifDbNotExists: args.if_db_not_exists === true,
          ifReplicaExists: args.if_replica_exists === true,
          signal,
          onProgress: (step) => {
            if (step.phase === 'pages' || step.phase === 'objects') call.progress(step.written, step.total)
          },
        })
        const of = { replica: client.type, url: client.url, source: target.name }
        const warnings = result.warnings.map((warning) => `\nWarning: ${warning}`).join('')
        return { text: `${restoreText(result, client.url)}${warnings}\n`, data: { ...restoreJson(result, of) } }
      },
      { signal },
    )
  },
}

function outputPath({ o }: ToolArguments, database: string | undefined): string {
  if (o !== undefined) return expandPath(checked(o as string))
  if (database !== undefined) return database
  throw new LitestreamError('INVALID_ARGUMENT', 'litestream_restore: o is required for a replica URL', {
    hint: 'Set the argument `o` to the path of the restored database.',
  })
}

export const resetTool: Tool = {
  name: 'litestream_reset',
  description:
    'Delete the local replication state of a database; the database and its replica are not changed. The next sync writes a full copy of the database. If this process replicates the database, the process stops the replication during the reset and then continues the replication.',
  parameters: { path: { type: 'string', description: 'Path of a database.' }, config: CONFIG },
  required: ['path'],
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  async run(args, call) {
    const database = expandPath(checked(args.path as string))
    const own = call.daemon.find(database)
    const { doomed, bytes } = own
      ? await resetOwn(own, call)
      : await deleteLocalState(database, { metaPath: await metaPathOf(args, call) })
    const text =
      doomed.length === 0
        ? `nothing to reset: ${database} has no local replication state`
        : [`deleted ${formatBytes(bytes)}:`, ...doomed.map((file) => `  ${file}`)].join('\n')
    return { text: `${text}\n`, data: { db_path: database, deleted: doomed, bytes, dry_run: false } }
  },
}

/**
 * Returns the state folder that the configuration file in the argument `config` sets for the
 * database. Without the argument `config`, returns undefined, which means the default state folder.
 */
async function metaPathOf(args: ToolArguments, { daemon }: ToolCall): Promise<string | undefined> {
  return args.config === undefined ? undefined : (await databasesOf(args, daemon)).find(args.path as string).metaPath
}

/**
 * Resets a database that this process replicates. Stops the database without a final sync, because
 * the next start uploads a full copy with every commit.
 */
async function resetOwn(database: ManagedDatabase, { signal }: ToolCall) {
  const { path, config, running } = database
  if (running) await database.stop(signal, { sync: false })
  try {
    return await deleteLocalState(path, { metaPath: config.metaPath })
  } finally {
    if (running) await database.start()
  }
}
