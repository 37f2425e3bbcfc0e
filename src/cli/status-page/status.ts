import type { LtxFileInfo } from '../../storage/replica-client.js'
import { version } from '../../version.js'
import type { Daemon } from '../daemon/daemon.js'
import { health } from '../daemon/health.js'
import type { DatabaseSummary, ManagedDatabase } from '../daemon/managed-database.js'

/** A level of which there are more files than this is shown by its newest ones. */
const MAX_FILES = 500

export interface DatabaseStatus extends DatabaseSummary {
  readonly ok: boolean
  /** `[time, lag]`, both milliseconds. */
  readonly lagHistory: readonly (readonly [number, number])[]
  readonly levels: readonly {
    readonly level: number
    readonly files: number
    readonly bytes: number
    /** `[min TXID, max TXID, bytes, time]` of the newest files, oldest first. */
    readonly newest: readonly (readonly [number, number, number, number])[]
  }[]
  /** Why the replica could not be listed. */
  readonly levelsError: string | undefined
}

/** What the status page shows; TXIDs are numbers, times milliseconds since the epoch, sizes bytes. */
export interface DaemonStatus {
  readonly version: string
  readonly startedAt: number
  readonly now: number
  readonly databases: readonly DatabaseStatus[]
}

export async function daemonStatus(daemon: Daemon): Promise<DaemonStatus> {
  const databases = await Promise.all(daemon.databases.map(databaseStatus))
  return { version, startedAt: daemon.startedAt, now: Date.now(), databases }
}

async function databaseStatus(database: ManagedDatabase): Promise<DatabaseStatus> {
  const summary = database.summary()
  let levels: readonly (readonly LtxFileInfo[])[] = []
  let levelsError: string | undefined
  try {
    levels = await database.levels()
  } catch (error) {
    levelsError = (error as Error).message
  }
  return {
    ...summary,
    ok: health([summary], null).status === 'ok',
    lagHistory: database.lagHistory.samples,
    levels: levels.map((files, level) => ({
      level,
      files: files.length,
      bytes: files.reduce((sum, { size }) => sum + size, 0),
      newest: files.slice(-MAX_FILES).map((f) => [f.minTxid, f.maxTxid, f.size, f.createdAt] as const),
    })),
    levelsError,
  }
}
