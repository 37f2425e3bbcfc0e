import { lstat } from 'node:fs/promises'
import path from 'node:path'
import { LitestreamError } from '../../errors.js'
import { makeDirectory } from '../../fs/directory.js'
import { writeDurably } from '../../fs/durable.js'
import { isErrno } from '../../fs/fs-error.js'
import { namesIn } from '../../fs/names-in.js'
import { readRegular } from '../../fs/open-regular.js'
import type { Ownership } from '../../fs/owner.js'
import { removeFile } from '../../fs/remove.js'
import type { TaggedObject } from '../replica-client.js'

/** Reads of one object while other writers replace it. */
const MAX_READS = 100

/** Every integer up to it is exact. A foreign file may have any number; a higher one is ignored. */
const MAX_VERSION = Number.MAX_SAFE_INTEGER

/**
 * Small objects with compare-and-set on plain files, which have no such thing: version n of `lock.json` is the file
 * `lock.json.<n>`, made with link(2), of which exactly one of many writers of the same n succeeds. The highest version counts; an
 * empty one says "deleted" and keeps its number from being used again. Older versions are removed once a newer one stands.
 * Holds on local file systems and on NFS, across processes and hosts; a crash between any two steps leaves a valid state.
 */
export class TaggedObjects {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  async get(name: string): Promise<TaggedObject | undefined> {
    for (let attempt = 0; attempt < MAX_READS; attempt++) {
      const version = await this.#newest(name, await this.#versions(name))
      if (version === undefined) return undefined
      try {
        const data = await readRegular(this.#file(name, version))
        return data.byteLength === 0 ? undefined : { data, tag: String(version) }
      } catch (error) {
        // Another writer made a newer version and removed this one between the listing and the read.
        if (!isErrno(error, 'ENOENT')) throw error
      }
    }
    const file = path.join(this.#directory, name)
    throw new LitestreamError('STORAGE_FAILED', `reading ${file} failed: it changed during ${MAX_READS} attempts`, {
      file,
      hint: 'Check which processes write to the directory, then retry.',
    })
  }

  /** `data` empty deletes. Returns the new tag. */
  async put(name: string, data: Uint8Array, ifTag: string | null, ownership: Ownership | undefined): Promise<string> {
    await makeDirectory(this.#directory, ownership)
    const before = await this.#versions(name)
    const newest = (await this.#newest(name, before)) ?? 0
    const exists = newest > 0 && (await this.get(name)) !== undefined
    if (ifTag === null ? exists : ifTag !== String(newest)) throw this.#lost(name)

    // A directory or a link takes its number too: link(2) could not use the number.
    const version = (before.at(-1) ?? 0) + 1
    if (version > MAX_VERSION) throw this.#noNumber(name, version - 1)
    const file = this.#file(name, version)
    try {
      await writeDurably(file, data, { createOnly: true, ownership })
    } catch (error) {
      if (isErrno(error, 'EEXIST')) throw this.#lost(name, error)
      throw error
    }
    // Other writers may have passed this number and removed it during the write: then this version is old.
    const after = await this.#versions(name)
    if (after.at(-1) !== version) {
      await removeFile(this.#file(name, version))
      throw this.#lost(name)
    }
    for (const old of after.slice(0, -1)) {
      if (await isVersionFile(this.#file(name, old))) await removeFile(this.#file(name, old))
    }
    return String(version)
  }

  #noNumber(name: string, newest: number): LitestreamError {
    const file = this.#file(name, newest)
    return new LitestreamError('STORAGE_FAILED', `${file} has the highest version number, no version can follow it`, {
      file,
      hint: 'Stop all primaries of the replica, then remove the file.',
    })
  }

  #lost(name: string, cause?: unknown): LitestreamError {
    return new LitestreamError(
      'PRECONDITION_FAILED',
      `${path.join(this.#directory, name)} was changed by someone else`,
      {
        cause,
        file: path.join(this.#directory, name),
      },
    )
  }

  /** The numbers of all entries, ascending. */
  async #versions(name: string): Promise<number[]> {
    const numberOf = (entry: string) => Number(entry.slice(name.length + 1))
    const isVersion = (entry: string) =>
      entry.startsWith(`${name}.`) &&
      /^([0-9]{10}|[1-9][0-9]{10,})$/.test(entry.slice(name.length + 1)) &&
      numberOf(entry) <= MAX_VERSION
    const names = await namesIn(this.#directory, isVersion)
    return names.map(numberOf).sort((a, b) => a - b)
  }

  /** The highest version that is a file. */
  async #newest(name: string, versions: readonly number[]): Promise<number | undefined> {
    for (const version of versions.toReversed()) if (await isVersionFile(this.#file(name, version))) return version
    return undefined
  }

  /** Ten digits at least; a version after 9999999999 has more. */
  #file(name: string, version: number): string {
    return path.join(this.#directory, `${name}.${String(version).padStart(10, '0')}`)
  }
}

/** False for a directory or a link, which no writer makes. A removed file counts: a newer version exists then. */
async function isVersionFile(file: string): Promise<boolean> {
  try {
    const stats = await lstat(file)
    return !stats.isDirectory() && !stats.isSymbolicLink()
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return true
    throw error
  }
}
