import { readFileSync, statSync } from 'node:fs'
import { isErrno } from '../../fs/fs-error.js'
import { WalFile } from '../../wal/wal-file.js'
import { sameGeneration } from '../../wal/wal-position.js'
import { identifyFile, isUnchangedFile } from '../source/file-identity.js'
import type { PrimaryState } from './state-file.js'

type RestRecord = NonNullable<PrimaryState['rest']>

let boot: string | undefined

/** The boot of the machine; empty if the system does not report it (all but Linux). */
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
 * What a later process needs to prove, without SQLite, that nothing was committed; undefined if it
 * could not. `file`: the database.
 */
export function restRecord(file: string): RestRecord | undefined {
  const changed = changeTime(file)
  return bootId() === '' || changed === undefined ? undefined : { boot: bootId(), changed }
}

/**
 * Time of the last change of the file or its metadata, in nanoseconds since the epoch: no program
 * can set it. Undefined if the file does not exist.
 */
function changeTime(file: string): string | undefined {
  const stats = statSync(file, { bigint: true, throwIfNoEntry: false })
  return stats && String(stats.ctimeNs)
}

/**
 * Whether it is proven that a database is as it was when `state` was saved: a commit since would
 * have changed the database file or the WAL.
 *
 * - The database file is the same one, with the same size and the same times, of which no program
 *   can set the last. So no checkpoint and no other program has written to it.
 * - The WAL is empty or gone, as it was; or it ends where it ended: it has the same generation, the
 *   last frame has the same checksum, and no frame of that generation follows.
 * - The machine was not started again: a power cut can take frames from the middle of a WAL.
 *
 * `file`: the database, without symbolic links. Opens the -wal only, on which SQLite holds no lock.
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
