import { createHash } from 'node:crypto'
import { statfsSync } from 'node:fs'
import path from 'node:path'
import { openConfiguredReplica } from '../../config/open-configured-replica.js'
import type { DatabaseConfig } from '../../config/types.js'
import { LitestreamError } from '../../errors.js'
import { makeDirectory } from '../../fs/directory.js'
import { filesBelow, removeBelow } from '../../fs/remove-tree.js'
import type { IntegrityReport } from '../../integrity/report.js'
import { formatTxid } from '../../ltx/txid.js'
import { metaDirectory } from '../../primary/sync/staging.js'
import { restore } from '../../restore/restore.js'
import { formatBytes } from '../../util/format-bytes.js'

export interface RestoreProofOptions {
  /** Directory for the scratch files; default: the state folder of the database. */
  readonly directory?: string | undefined
  /** The newest TXID in the replica when the proof starts. */
  readonly replicaTxid: number
  /** Expected size of the database in bytes. */
  readonly size: number
  readonly signal: AbortSignal
}

/** The result of restoring a replica to a scratch file. */
export interface RestoreProof {
  readonly txid: number
  /** Bytes. */
  readonly size: number
  readonly durationMs: number
  readonly integrity: IntegrityReport | undefined
}

const SCRATCH = 'proof.db'
/** Free space that must remain beside the scratch file, as a share of its size. */
const MARGIN = 0.1

/**
 * Restores the replica of a database to a scratch file as `restore` does, checks it, and deletes
 * it. Throws what a restore throws; DISK_FULL before it starts if the file would not fit;
 * INTEGRITY_CHECK_FAILED if the structure of the database is damaged; LTX_GAP if the newest state
 * is missing.
 */
export async function proveRestore(database: DatabaseConfig, options: RestoreProofOptions): Promise<RestoreProof> {
  const { replicaTxid, size, signal } = options
  const folder = scratchFolder(database, options.directory)
  await makeDirectory(folder, undefined, 0o700)
  refuseFullDisk(folder, size)
  try {
    await removeScratch(folder)
    const client = await openConfiguredReplica(database, signal)
    try {
      const output = path.join(folder, SCRATCH)
      const { txid, bytes, durationMs, integrity } = await restore(client, { output, parallelism: 2, signal })
      if (txid < replicaTxid) throw tooOld(client.url, txid, replicaTxid)
      if (integrity?.outcome === 'damaged') throw damaged(client.url, integrity)
      return { txid, size: bytes, durationMs, integrity }
    } finally {
      await client.close()
    }
  } finally {
    await removeScratch(folder)
  }
}

/** A separate folder for each database, also if several share `directory`. */
function scratchFolder(database: DatabaseConfig, directory: string | undefined): string {
  if (directory === undefined) return path.join(metaDirectory(database.path, database.metaPath), 'proof')
  const name = createHash('sha256').update(database.path).digest('hex').slice(0, 16)
  return path.join(directory, `litestream-proof-${name}`)
}

/** Removes the scratch file, the files of SQLite and of the restore beside it, and the folder. */
async function removeScratch(folder: string): Promise<void> {
  const isOwn = (name: string) => name.startsWith(SCRATCH) || name.startsWith(`.${SCRATCH}`)
  const files = await filesBelow(folder, isOwn, 0)
  await removeBelow(
    folder,
    files.map(({ file }) => file),
  )
}

function refuseFullDisk(folder: string, size: number): void {
  const { bavail, bsize } = statfsSync(folder)
  const [free, needed] = [bavail * bsize, Math.ceil(size * (1 + MARGIN))]
  if (free >= needed) return
  throw new LitestreamError(
    'DISK_FULL',
    `${folder}: the scheduled restore needs ${formatBytes(needed)}, ${formatBytes(free)} are free`,
    { file: folder, hint: 'Free disk space, or set `validation.restore-dir` to a directory on a larger disk.' },
  )
}

function tooOld(url: string, txid: number, replicaTxid: number): LitestreamError {
  return new LitestreamError(
    'LTX_GAP',
    `${url}: a restore leads to TXID ${formatTxid(txid)}, the replica had TXID ${formatTxid(replicaTxid)}`,
    {
      file: url,
      hint: 'Run `litestream-ts verify` on the replica, then `litestream-ts replicate -once -force-snapshot`.',
    },
  )
}

function damaged(url: string, { messages }: IntegrityReport): LitestreamError {
  return new LitestreamError(
    'INTEGRITY_CHECK_FAILED',
    `${url}: the restored database is damaged: ${messages[0] ?? ''}`,
    {
      file: url,
      hint: 'Check the database with `PRAGMA integrity_check`, and restore an earlier state (-txid, -timestamp) if it is damaged as well.',
    },
  )
}
