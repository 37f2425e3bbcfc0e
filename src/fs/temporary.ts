import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import path from 'node:path'
import { isErrno } from './fs-error.js'
import { namesIn } from './names-in.js'
import { removeRegular } from './remove.js'

/**
 * A temporary name contains 16 hexadecimal digits. The first 8 digits are the creation time in
 * seconds since the epoch, and the other 8 digits are random. Litestream deletes old files whose
 * names have the form of TEMPORARY.
 */
const TEMPORARY = /^\.([0-9a-f]{8})[0-9a-f]{8}\.tmp(?:-wal|-shm|-journal)?$/
const KEPT = /^\.refused-[0-9a-f]{8}$/
const SUFFIX_LENGTH = '.0123456789abcdef.tmp'.length

/**
 * Maximum length of a file name in bytes on common file systems, minus the length of SQLite's
 * suffix `-journal`.
 */
const NAME_BYTES = 255 - '-journal'.length

/**
 * Age in milliseconds after which a temporary file counts as abandoned. The process that created an
 * abandoned file has ended.
 */
const ABANDONED_AFTER = 3_600_000

/**
 * A temporary file. The process that creates a temporary file later renames it to the final name or
 * removes it.
 */
export interface Temporary {
  readonly path: string
  readonly handle: FileHandle
}

/**
 * Creates a temporary file with a random name in the folder of `target`. The umask of the process
 * reduces `mode`. By default, only the user of the process can read the file.
 */
export async function createTemporary(target: string, mode = 0o600): Promise<Temporary> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0)
  for (;;) {
    const name = temporaryPath(target)
    try {
      return { path: name, handle: await open(name, flags, mode) }
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error
    }
  }
}

/** Returns a random path in the folder of `target`. */
export function temporaryPath(target: string): string {
  const began = Math.floor(Date.now() / 1000)
  // The code uses the global `crypto`, because loading node:crypto would take time in every reader,
  // and readers rarely write.
  const random = crypto.getRandomValues(new Uint8Array(4))
  const suffix = `.${began.toString(16).padStart(8, '0')}${Buffer.from(random).toString('hex')}.tmp`
  return path.join(path.dirname(target), stem(target) + suffix)
}

/** Returns the file name of `target`, shortened so that a suffix can be appended. */
export function stem(target: string): string {
  const name = path.basename(target)
  const most = NAME_BYTES - SUFFIX_LENGTH
  if (Buffer.byteLength(name) <= most) return name
  let cut = name
  while (Buffer.byteLength(cut) > most) cut = cut.slice(0, -1)
  // A shortened name must not end with half of a surrogate pair.
  return cut.replace(/[\ud800-\udbff]$/, '')
}

/**
 * Removes the temporary files of `target`. The caller must hold the lock of the target, because the
 * name of a temporary file does not show whether its writer still runs.
 */
export async function sweepTemporary(target: string): Promise<void> {
  const directory = path.dirname(target)
  const prefix = stem(target)
  const isOurs = (name: string) => name.startsWith(prefix) && TEMPORARY.test(name.slice(prefix.length))
  for (const name of await namesIn(directory, isOurs)) await removeRegular(path.join(directory, name))
}

/**
 * Returns a random path in the folder of `target`. The path is for a file that was meant to replace
 * `target`, failed to do so, and is kept for inspection.
 */
export function keptPath(target: string): string {
  const random = Buffer.from(crypto.getRandomValues(new Uint8Array(4))).toString('hex')
  return path.join(path.dirname(target), `${stem(target)}.refused-${random}`)
}

/**
 * Removes the files at all paths that `keptPath` may have returned for `target`. The caller of
 * removeKept() must hold the lock of the target.
 */
export async function removeKept(target: string): Promise<void> {
  const directory = path.dirname(target)
  const prefix = stem(target)
  const isKept = (name: string) => name.startsWith(prefix) && KEPT.test(name.slice(prefix.length))
  for (const name of await namesIn(directory, isKept)) await removeRegular(path.join(directory, name))
}

/**
 * Returns whether `name` is the name of a temporary file that was created more than an hour ago.
 * The writer of such an old temporary file no longer runs.
 */
export function isAbandoned(name: string): boolean {
  const began = Number.parseInt(TEMPORARY.exec(name.slice(-SUFFIX_LENGTH))?.[1] ?? '', 16) * 1000
  return began < Date.now() - ABANDONED_AFTER
}

/**
 * Removes temporary files in `directory` that were created more than an hour ago. Newer temporary
 * files may belong to other running processes.
 */
export async function sweepAbandoned(directory: string): Promise<void> {
  for (const name of await namesIn(directory, isAbandoned)) await removeRegular(path.join(directory, name))
}
