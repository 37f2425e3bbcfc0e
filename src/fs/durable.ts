import { link, lstat, mkdir, open, rename, stat, unlink, utimes } from 'node:fs/promises'
import path from 'node:path'
import { abortError } from '../util/abort.js'
import { Flushing } from './flushing.js'
import { isErrno } from './fs-error.js'
import { namesIn } from './names-in.js'
import { applyOwnership, type Ownership } from './owner.js'

/**
 * What is being written, until it gets its name: 8 hex digits of the time its writing began, in seconds since the epoch, and 8 random
 * ones. Its mtime says nothing, it is the LTX file's. Litestream ignores and sweeps names that end so.
 */
const TEMPORARY = /\.([0-9a-f]{8})[0-9a-f]{8}\.tmp$/

function temporaryName(file: string): string {
  const began = Math.floor(Date.now() / 1000)
  // Not node:crypto: a reader, which never writes, would wait for it to be loaded.
  const random = crypto.getRandomValues(new Uint8Array(4))
  return `${file}.${began.toString(16).padStart(8, '0')}${Buffer.from(random).toString('hex')}.tmp`
}

/** A temporary file this old belongs to a process that died, not to one that writes. Milliseconds. */
const ABANDONED_AFTER = 3_600_000

/** Makes the entries of a directory, a new or renamed file's for one, survive a power cut. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } catch (error) {
    // Some network file systems cannot sync a directory; they write entries through.
    if (!isErrno(error, 'EINVAL', 'ENOTSUP', 'EBADF')) throw error
  } finally {
    await handle.close()
  }
}

/** mkdir -p whose new directories are owned as told and survive a power cut. */
export async function makeDirectory(directory: string, ownership: Ownership | undefined): Promise<void> {
  const first = await mkdir(directory, { recursive: true })
  if (first === undefined) return
  for (let made = directory; ; made = path.dirname(made)) {
    if (ownership !== undefined) await applyOwnership(made, ownership, 'directory')
    await syncDirectory(path.dirname(made))
    if (made === first) return
  }
}

/** Removes what writers that died left in `directory`. */
export async function sweepAbandoned(directory: string): Promise<void> {
  const before = Date.now() - ABANDONED_AFTER
  const isAbandoned = (name: string) => Number.parseInt(TEMPORARY.exec(name)?.[1] ?? '', 16) * 1000 < before
  for (const name of await namesIn(directory, isAbandoned)) {
    const file = path.join(directory, name)
    try {
      if ((await lstat(file)).isFile()) await unlink(file)
    } catch (error) {
      // Its writer lives after all, or another one swept.
      if (!isErrno(error, 'ENOENT')) throw error
    }
  }
}

export interface DurableWriteOptions {
  /** Milliseconds since the epoch; what the file's mtime will say. */
  readonly mtime?: number
  readonly createOnly?: boolean
  readonly ownership?: Ownership
  readonly signal?: AbortSignal
}

/**
 * Writes `file` so that at any moment, also after a power cut, either all of it is there under its name or what was there before:
 * temporary file, fsync, rename (or link, which fails with EEXIST on a name that is taken), fsync of the directory. Its directory
 * must exist. Returns the size.
 */
export async function writeDurably(
  file: string,
  body: Uint8Array | AsyncIterable<Uint8Array>,
  options: DurableWriteOptions,
): Promise<number> {
  const { mtime, createOnly, ownership, signal } = options
  const temporary = temporaryName(file)
  let size = 0
  const handle = await open(temporary, 'wx', ownership?.fileMode ?? 0o666)
  const flushing = new Flushing(handle)
  try {
    try {
      for await (const chunk of body instanceof Uint8Array ? [body] : body) {
        if (signal?.aborted) throw abortError(signal, `writing ${file}`)
        await handle.writeFile(chunk)
        size += chunk.byteLength
        flushing.wrote(size)
      }
      if (signal?.aborted) throw abortError(signal, `writing ${file}`)
      if (ownership !== undefined) await applyOwnership(temporary, ownership, 'file')
      if (mtime !== undefined) await utimes(temporary, mtime / 1000, mtime / 1000)
      await flushing.end()
      await handle.sync()
    } finally {
      await flushing.settled()
      await handle.close()
    }
    if (createOnly) await nameOnce(temporary, file)
    else await rename(temporary, file)
  } catch (error) {
    await removeIfThere(temporary)
    throw error
  }
  if (createOnly) await removeIfThere(temporary)
  await syncDirectory(path.dirname(file))
  return size
}

/** Fails with EEXIST where `file` is there. */
async function nameOnce(temporary: string, file: string): Promise<void> {
  try {
    await link(temporary, file)
  } catch (error) {
    if (!isErrno(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS')) throw error
    // A file system without links (FAT, some FUSE): look, then rename. Two writers in the same instant are not told apart there.
    if (await exists(file))
      throw Object.assign(new Error(`EEXIST: ${file} exists`, { cause: error }), { code: 'EEXIST' })
    await rename(temporary, file)
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file)
    return true
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
}

async function removeIfThere(file: string): Promise<void> {
  try {
    await unlink(file)
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
  }
}
