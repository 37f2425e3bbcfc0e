import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import path from 'node:path'
import { isErrno } from './fs-error.js'
import { namesIn } from './names-in.js'
import { removeRegular } from './remove.js'

/** 8 hex digits of the time of creation, in seconds since the epoch, then 8 random ones. Litestream sweeps names that end so. */
const TEMPORARY = /^\.([0-9a-f]{8})[0-9a-f]{8}\.tmp(?:-wal|-shm|-journal)?$/
const KEPT = /^\.refused-[0-9a-f]{8}$/
const SUFFIX_LENGTH = '.0123456789abcdef.tmp'.length

/** Bytes that a name can have on every file system in use, less those that SQLite adds for a journal. */
const NAME_BYTES = 255 - '-journal'.length

/** A temporary file this old belongs to a process that died, not to one that writes. Milliseconds. */
const ABANDONED_AFTER = 3_600_000

/** A file that its creator alone knows, until it gets the name of `target` or is removed. */
export interface Temporary {
  readonly path: string
  readonly handle: FileHandle
}

/**
 * Creates a file beside `target` under a random name. It fails rather than use a file, or follow a symbolic link, that exists under
 * this name. `mode` is reduced by the umask; no other user can read it by default.
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

/** A random name beside `target`, at which no file is expected. */
export function temporaryPath(target: string): string {
  const began = Math.floor(Date.now() / 1000)
  // Not node:crypto, whose load time a reader, which seldom writes, would pay.
  const random = crypto.getRandomValues(new Uint8Array(4))
  const suffix = `.${began.toString(16).padStart(8, '0')}${Buffer.from(random).toString('hex')}.tmp`
  return path.join(path.dirname(target), stem(target) + suffix)
}

/** The name of `target`, cut so that a suffix fits. */
export function stem(target: string): string {
  const name = path.basename(target)
  const most = NAME_BYTES - SUFFIX_LENGTH
  if (Buffer.byteLength(name) <= most) return name
  let cut = name
  while (Buffer.byteLength(cut) > most) cut = cut.slice(0, -1)
  // Never half of a surrogate pair.
  return cut.replace(/[\ud800-\udbff]$/, '')
}

/** Removes what writers of `target` that died left. Call it with the target locked: a file of a live writer looks the same. */
export async function sweepTemporary(target: string): Promise<void> {
  const directory = path.dirname(target)
  const prefix = stem(target)
  const isOurs = (name: string) => name.startsWith(prefix) && TEMPORARY.test(name.slice(prefix.length))
  for (const name of await namesIn(directory, isOurs)) await removeRegular(path.join(directory, name))
}

/** A random name beside `target` for a file that is kept although it could not replace the target. */
export function keptPath(target: string): string {
  const random = Buffer.from(crypto.getRandomValues(new Uint8Array(4))).toString('hex')
  return path.join(path.dirname(target), `${stem(target)}.refused-${random}`)
}

/** Removes the files of `target` that were kept before. Call it with the target locked. */
export async function removeKept(target: string): Promise<void> {
  const directory = path.dirname(target)
  const prefix = stem(target)
  const isKept = (name: string) => name.startsWith(prefix) && KEPT.test(name.slice(prefix.length))
  for (const name of await namesIn(directory, isKept)) await removeRegular(path.join(directory, name))
}

/** Whether `name` is that of a temporary file whose writer died: it was made more than an hour ago. */
export function isAbandoned(name: string): boolean {
  const began = Number.parseInt(TEMPORARY.exec(name.slice(-SUFFIX_LENGTH))?.[1] ?? '', 16) * 1000
  return began < Date.now() - ABANDONED_AFTER
}

/** Removes what writers that died more than an hour ago left in `directory`, whose files several processes may write. */
export async function sweepAbandoned(directory: string): Promise<void> {
  for (const name of await namesIn(directory, isAbandoned)) await removeRegular(path.join(directory, name))
}
