import { createHash } from 'node:crypto'
import { statfsSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { openConfiguredReplica } from '../../config/open-configured-replica.js'
import type { DatabaseConfig } from '../../config/types.js'
import { isLitestreamError, LitestreamError } from '../../errors.js'
import { makeDirectory } from '../../fs/directory.js'
import { openRegular } from '../../fs/open-regular.js'
import { filesBelow, removeBelow } from '../../fs/remove-tree.js'
import type { IntegrityReport } from '../../integrity/report.js'
import { lockPgno } from '../../ltx/format.js'
import { formatTxid } from '../../ltx/txid.js'
import type { PageRun } from '../../primary/source/page-runs.js'
import { type DatabaseImage, imageDifference, pageSums } from '../../primary/sync/database-image.js'
import { metaDirectory } from '../../primary/sync/staging.js'
import { restore } from '../../restore/restore.js'
import type { ReplicaClient } from '../../storage/replica-client.js'
import { formatBytes } from '../../util/format-bytes.js'

export interface RestoreProofOptions {
  /**
   * Directory for the scratch files. The default is a folder in the state folder of the database.
   */
  readonly directory?: string | undefined
  /** The newest TXID in the replica at the start of the proof. */
  readonly replicaTxid: number
  /** Expected size of the database in bytes. */
  readonly size: number
  /** The checksums of the primary's pages at a TXID that the replica contains. */
  readonly image?: DatabaseImage | undefined
  readonly signal: AbortSignal
}

/** The result of restoring a replica to a scratch file. */
export interface RestoreProof {
  readonly txid: number
  /** Size of the restored database in bytes. */
  readonly size: number
  readonly durationMs: number
  readonly integrity: IntegrityReport | undefined
  /**
   * Whether every page of the restored file was compared with the primary's page at the same TXID.
   */
  readonly compared: boolean
}

const SCRATCH = 'proof.db'
/** Number of bytes that are read from the restored file at once. */
const RUN_BYTES = 1024 * 1024
/**
 * Free disk space that must remain after the restore, as a fraction of the size of the restored
 * file.
 */
const MARGIN = 0.1

/**
 * Restores the replica of a database to a scratch file, checks the restored database, and deletes
 * the scratch file. Throws the errors of a restore. If the disk has too little space for the
 * scratch file, throws DISK_FULL before the restore. Throws INTEGRITY_CHECK_FAILED if the restored
 * database is damaged, or differs from `image`. Throws LTX_GAP if the newest state cannot be
 * restored.
 */
export async function proveRestore(database: DatabaseConfig, options: RestoreProofOptions): Promise<RestoreProof> {
  const { replicaTxid, size, image, signal } = options
  const folder = scratchFolder(database, options.directory)
  await makeDirectory(folder, undefined, 0o700)
  refuseFullDisk(folder, size)
  try {
    await removeScratch(folder)
    const client = await openConfiguredReplica(database, signal)
    try {
      const output = path.join(folder, SCRATCH)
      const restored = await restoreTo(client, output, image?.txid, signal)
      const { txid, bytes, durationMs, integrity } = restored
      // If `image` is set, the proof restores the database only up to the TXID of `image`. The next
      // proof restores commits after the TXID of `image`.
      if (txid < (image?.txid ?? replicaTxid)) throw tooOld(client.url, txid, replicaTxid)
      if (integrity?.outcome === 'damaged') throw damaged(client.url, integrity)
      const compared = image?.txid === txid
      if (compared) await compareWith(image, output, client.url)
      return { txid, size: bytes, durationMs, integrity, compared }
    } finally {
      await client.close()
    }
  } finally {
    await removeScratch(folder)
  }
}

/**
 * Restores the database at TXID `txid`. If compaction or retention has made the state at `txid`
 * unavailable, restores the newest state. If the newest state was restored, the caller must not
 * compare the restored database with the primary.
 */
async function restoreTo(client: ReplicaClient, output: string, txid: number | undefined, signal: AbortSignal) {
  const options = { output, parallelism: 2, signal }
  if (txid === undefined) return restore(client, options)
  try {
    return await restore(client, { ...options, txid })
  } catch (error) {
    if (!isLitestreamError(error, 'TXID_NOT_AVAILABLE')) throw error
    return restore(client, options)
  }
}

/**
 * Throws INTEGRITY_CHECK_FAILED if a page of the restored file differs from the same page of the
 * primary.
 */
async function compareWith(image: DatabaseImage, output: string, url: string): Promise<void> {
  const { pageSize, txid } = image
  const { handle, stats } = await openRegular(output)
  try {
    const commit = stats.size / pageSize
    const sums = Number.isInteger(commit)
      ? await pageSums(pagesOf(handle, pageSize, commit), { commit, pageSize })
      : NONE
    const difference = imageDifference(image, { txid, pageSize, commit, sums })
    if (difference !== undefined) throw different(url, txid, difference)
  } finally {
    await handle.close()
  }
}

const NONE = new BigUint64Array(0)

/** Reads the pages of a database file, except the lock page. */
async function* pagesOf(handle: FileHandle, pageSize: number, commit: number): AsyncGenerator<PageRun> {
  const lock = lockPgno(pageSize)
  const most = Math.max(1, Math.floor(RUN_BYTES / pageSize))
  const buffer = new Uint8Array(most * pageSize)
  for (let first = 1; first <= commit; ) {
    if (first === lock) {
      first++
      continue
    }
    const count = Math.min(most, (first < lock ? Math.min(lock, commit + 1) : commit + 1) - first)
    const pages = buffer.subarray(0, count * pageSize)
    await handle.read(pages, 0, pages.byteLength, (first - 1) * pageSize)
    yield { pgnos: Uint32Array.from({ length: count }, (_, i) => first + i), pages }
    first += count
  }
}

/**
 * Returns the scratch folder of a database. Databases that share `directory` have different scratch
 * folders.
 */
function scratchFolder(database: DatabaseConfig, directory: string | undefined): string {
  if (directory === undefined) return path.join(metaDirectory(database.path, database.metaPath), 'proof')
  const name = createHash('sha256').update(database.path).digest('hex').slice(0, 16)
  return path.join(directory, `litestream-proof-${name}`)
}

/** Removes the scratch folder and all files in this folder. */
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
    `${folder}: the scheduled restore needs ${formatBytes(needed)}, but only ${formatBytes(free)} are free`,
    { file: folder, hint: 'Free disk space, or set `validation.restore-dir` to a directory on a larger disk.' },
  )
}

function tooOld(url: string, txid: number, replicaTxid: number): LitestreamError {
  return new LitestreamError(
    'LTX_GAP',
    `${url}: the scheduled restore ended at TXID ${formatTxid(txid)}, but the replica had TXID ${formatTxid(replicaTxid)}`,
    {
      file: url,
      hint: 'Run `litestream-ts verify` on the replica, then `litestream-ts replicate -once -force-snapshot`.',
    },
  )
}

function different(url: string, txid: number, difference: string): LitestreamError {
  return new LitestreamError(
    'INTEGRITY_CHECK_FAILED',
    `${url}: the database restored at TXID ${formatTxid(txid)} differs from the database of the primary: ${difference}`,
    {
      file: url,
      hint: 'Run `litestream-ts replicate -once -force-snapshot` for the database, and report this error: the files of the replica are valid, but the restored database differs from the database of the primary.',
    },
  )
}

function damaged(url: string, { messages }: IntegrityReport): LitestreamError {
  return new LitestreamError(
    'INTEGRITY_CHECK_FAILED',
    `${url}: the restored database is damaged: ${messages[0] ?? ''}`,
    {
      file: url,
      hint: 'Check the database with `PRAGMA integrity_check`, and restore an earlier state (-txid, -timestamp) if the database is damaged too.',
    },
  )
}
