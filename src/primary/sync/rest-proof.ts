import { readFileSync, statSync } from 'node:fs'
import { isErrno } from '../../fs/fs-error.js'
import { WalFile } from '../../wal/wal-file.js'
import { sameGeneration } from '../../wal/wal-position.js'
import { identifyFile, isUnchangedFile } from '../source/file-identity.js'
import type { PrimaryState } from './state-file.js'

type RestRecord = NonNullable<PrimaryState['rest']>

let boot: string | undefined

/**
 * Returns text that identifies the current boot of the machine. Returns an empty text on systems
 * other than Linux.
 */
function bootId(): string {
  boot ??= readBootId()
  return boot
}

function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EACCES')) return ''
    throw error
  }
}

/**
 * Returns the data that isAsSaved() needs in a later process. Returns undefined if the system does
 * not report enough data for isAsSaved(). `file` is the path of the database.
 */
export function restRecord(file: string): RestRecord | undefined {
  const changed = changeTime(file)
  return bootId() === '' || changed === undefined ? undefined : { boot: bootId(), changed }
}

/**
 * Returns the ctime of the file in nanoseconds since the epoch. No program can set a ctime. Returns
 * undefined if the file does not exist.
 */
function changeTime(file: string): string | undefined {
  const stats = statSync(file, { bigint: true, throwIfNoEntry: false })
  return stats && String(stats.ctimeNs)
}

/**
 * Whether the database is certainly unchanged since `state` was saved. A later commit would have
 * changed the database file or the WAL. Three conditions must hold:
 *
 * - The database file has the identity, size, modification time and ctime that `state` records. No
 *   program can set a ctime, so no checkpoint and no other program has written to the database
 *   file.
 * - The WAL is still empty or missing, or its last frame is the last frame in `state`. The last
 *   frame is unchanged if its generation and checksum are unchanged and the next frame in the file
 *   is of another generation.
 * - The machine was not restarted. A power cut can destroy frames in the middle of a WAL.
 *
 * `file` is the path of the database without symbolic links. `isAsSaved` opens only the -wal, on
 * which SQLite holds no lock.
 */
export function isAsSaved(state: PrimaryState, file: string): boolean {
  const { rest } = state
  if (!rest || rest.boot !== bootId()) return false
  const now = identifyFile(file)
  if (!now || !isUnchangedFile(now, state.file) || changeTime(file) !== rest.changed) return false
  return isWalAsSaved(state, `${file}-wal`)
}

function isWalAsSaved({ wal: position, pageSize, complete }: PrimaryState, file: string): boolean {
  const { frames } = position
  if (frames === 0) return complete === 1 && (statSync(file, { throwIfNoEntry: false })?.size ?? 0) === 0
  let wal: WalFile
  try {
    wal = new WalFile(file)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
  try {
    const header = wal.header()
    if (!header || header.pageSize !== pageSize || !sameGeneration(header, position)) return false
    const last = wal.frameHeader(frames - 1, pageSize)
    const next = wal.frameHeader(frames, pageSize)
    const ends = last && sameGeneration(last, position) && last.checksum.every((sum, i) => sum === position.checksum[i])
    return ends === true && !(next && sameGeneration(next, position))
  } finally {
    wal.close()
  }
}
