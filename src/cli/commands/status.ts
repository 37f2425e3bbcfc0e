import { existsSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { findDatabases } from '../../config/directories.js'
import { openConfiguredReplica } from '../../config/open-configured-replica.js'
import type { DatabaseConfig } from '../../config/types.js'
import { toLitestreamError } from '../../errors.js'
import { listLevels } from '../../levels/plan.js'
import { parseFileName } from '../../ltx/file-name.js'
import { formatTxid } from '../../ltx/txid.js'
import { metaDirectory } from '../../primary/sync/staging.js'
import { formatBytes } from '../../util/format-bytes.js'
import { addConfigFlags, type ConfigFlags, configOf, createCommand } from '../command.js'
import { print, printJson, printTable } from '../output.js'
import { findDatabase } from '../target.js'

interface StatusFlags extends ConfigFlags {
  readonly json?: boolean
  readonly local?: boolean
}

interface Status {
  readonly database: string
  /** Litestream's words: ok, not initialized, no database, error. */
  readonly status: string
  readonly local_txid: string | null
  readonly wal_size: number
  readonly remote_txid?: string | null
  readonly lag_seconds?: number | null
  readonly levels?: readonly { readonly level: number; readonly files: number; readonly bytes: number }[]
  readonly error?: string
}

export function statusCommand(): Command {
  const command = createCommand('status', {
    summary: 'Show how far each database is replicated.',
    description:
      'Shows the state of the configured databases: the last TXID here and in the replica, how long the oldest commit that is not in the replica has been waiting, the size of the WAL and the files of each level. Looks at files and lists the replica; needs no running process. Status is ok, not initialized (never replicated from here), no database, or error.',
    examples: [
      ['status', 'all databases of /etc/litestream.yml'],
      ['status -local -config litestream.yml', 'without asking the replicas'],
      [
        'status -json /var/lib/app.db',
        '[{"database", "status", "local_txid", "wal_size", "remote_txid", "lag_seconds", "levels"}]',
      ],
    ],
  })
  return addConfigFlags(command)
    .argument('[db]', 'path of a configured database; default: all')
    .option('--local', 'do not ask the replicas')
    .option('--json', 'print JSON')
    .action(async (db: string | undefined, flags: StatusFlags) => {
      const config = await configOf(flags)
      const databases = db === undefined ? findDatabases(config) : [findDatabase(config, db)]
      const all = await Promise.all(databases.map((database) => statusOf(database, flags.local === true)))
      if (flags.json) {
        printJson(all)
        return
      }
      printTable(
        ['database', 'status', 'local txid', 'replica txid', 'lag', 'wal size', 'files per level'],
        all.map((status) => [
          status.database,
          status.status,
          status.local_txid ?? '-',
          status.remote_txid ?? '-',
          status.lag_seconds === undefined || status.lag_seconds === null ? '-' : `${status.lag_seconds}s`,
          formatBytes(status.wal_size),
          status.levels
            ?.filter(({ files }) => files > 0)
            .map(({ level, files }) => `L${level}:${files}`)
            .join(' ') || '-',
        ]),
      )
      for (const { database, error } of all) {
        if (!error) continue
        print('')
        print(`${database}: ${error}`)
      }
    })
}

/** The newest file of level 0 beside the database; undefined if there never was one. */
function localFiles(database: DatabaseConfig): { readonly txid: number; readonly modified: number }[] {
  const dir = path.join(metaDirectory(database.path, database.metaPath), 'ltx', '0')
  if (!existsSync(dir)) return []
  return readdirSync(dir)
    .flatMap((name) => {
      const range = parseFileName(name)
      const stats = range && statSync(path.join(dir, name), { throwIfNoEntry: false })
      return stats ? [{ txid: range.maxTxid, modified: stats.mtimeMs }] : []
    })
    .sort((a, b) => a.txid - b.txid)
}

async function statusOf(database: DatabaseConfig, local: boolean): Promise<Status> {
  const files = localFiles(database)
  const txid = files.at(-1)?.txid
  const walSize = statSync(`${database.path}-wal`, { throwIfNoEntry: false })?.size ?? 0
  const base = {
    database: database.path,
    status: !existsSync(database.path) ? 'no database' : txid === undefined ? 'not initialized' : 'ok',
    local_txid: txid === undefined ? null : formatTxid(txid),
    wal_size: walSize,
  }
  if (local) return base
  try {
    const client = await openConfiguredReplica(database)
    try {
      const levels = await listLevels(client)
      const remote = Math.max(0, ...levels.flat().map(({ maxTxid }) => maxTxid))
      const waiting = files.find((file) => file.txid > remote)
      return {
        ...base,
        remote_txid: remote === 0 ? null : formatTxid(remote),
        lag_seconds: txid === undefined ? null : waiting ? Math.round((Date.now() - waiting.modified) / 1000) : 0,
        levels: levels.map((all, level) => ({
          level,
          files: all.length,
          bytes: all.reduce((sum, { size }) => sum + size, 0),
        })),
      }
    } finally {
      await client.close()
    }
  } catch (error) {
    return { ...base, status: 'error', remote_txid: null, lag_seconds: null, error: toLitestreamError(error).message }
  }
}
