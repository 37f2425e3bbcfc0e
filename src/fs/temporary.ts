import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import path from 'node:path'
import { isErrno } from './fs-error.js'
import { namesIn } from './names-in.js'
import { removeRegular } from './remove.js'

/**
 * 8 hex digits of the creation time in seconds since the epoch, then 8 random ones. Litestream
 * deletes old files with such names.
 */
const TEMPORARY = /^\.([0-9a-f]{8})[0-9a-f]{8}\.tmp(?:-wal|-shm|-journal)?$/
const KEPT = /^\.refused-[0-9a-f]{8}$/
const SUFFIX_LENGTH = '.0123456789abcdef.tmp'.length

/** Maximum length of a name in bytes on all common file systems, minus SQLite's journal suffix. */
const NAME_BYTES = 255 - '-journal'.length

/** A temporary file this old belongs to a process that died. Milliseconds. */
const ABANDONED_AFTER = 3_600_000

/** A file known only to its creator, until it is renamed to `target` or removed. */
export interface Temporary {
  readonly path: string
  readonly handle: FileHandle
}

/**
 * Creates a file beside `target` with a random name. Fails if a file or symbolic link with this
 * name exists. `mode` is reduced by the umask; by default no other user can read the file.
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

/** A random path beside `target`, at which no file should exist. */
export function temporaryPath(target: string): string {
  const began = Math.floor(Date.now() / 1000)
  // The global `crypto` instead of node:crypto, whose load time every reader would pay although
  // readers seldom write.
  const random = crypto.getRandomValues(new Uint8Array(4))
  const suffix = `.${began.toString(16).padStart(8, '0')}${Buffer.from(random).toString('hex')}.tmp`
  return path.join(path.dirname(target), stem(target) + suffix)
}

/** The name of `target`, shortened so that a suffix fits. */
export function stem(target: string): string {
  const name = path.basename(target)
  const most = NAME_BYTES - SUFFIX_LENGTH
  if (Buffer.byteLength(name) <= most) return name
  let cut = name
  while (Buffer.byteLength(cut) > most) cut = cut.slice(0, -1)
  // Never half of a surrogate pair.
  return cut.replace(/[\ud800-\udbff]$/, '')
}

/**
 * Removes the files of dead writers of `target`. Call it while the target is locked: a file of a
 * live writer looks the same.
 */
export async function sweepTemporary(target: string): Promise<void> {
  const directory = path.dirname(target)
  const prefix = stem(target)
  const isOurs = (name: string) => name.startsWith(prefix) && TEMPORARY.test(name.slice(prefix.length))
  for (const name of await namesIn(directory, isOurs)) await removeRegular(path.join(directory, name))
}

/**
 * A random path beside `target` for a file that is kept although it could not replace the target.
 */
export function keptPath(target: string): string {
  const random = Buffer.from(crypto.getRandomValues(new Uint8Array(4))).toString('hex')
  return path.join(path.dirname(target), `${stem(target)}.refused-${random}`)
}

/** Removes the kept files of `target`. Call it while the target is locked. */
export async function removeKept(target: string): Promise<void> {
  const directory = path.dirname(target)
  const prefix = stem(target)
  const isKept = (name: string) => name.startsWith(prefix) && KEPT.test(name.slice(prefix.length))
  for (const name of await namesIn(directory, isKept)) await removeRegular(path.join(directory, name))
}

/**
 * Whether `name` is that of a temporary file whose writer died: it was created more than an hour
 * ago.
 */
export function isAbandoned(name: string): boolean {
  const began = Number.parseInt(TEMPORARY.exec(name.slice(-SUFFIX_LENGTH))?.[1] ?? '', 16) * 1000
  return began < Date.now() - ABANDONED_AFTER
}

/**
 * Removes files in `directory` whose writers died more than an hour ago; several processes may
 * write to the directory.
 */
export async function sweepAbandoned(directory: string): Promise<void> {
  for (const name of await namesIn(directory, isAbandoned)) await removeRegular(path.join(directory, name))
}
