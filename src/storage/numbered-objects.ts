import { LitestreamError } from '../errors.js'
import type { TaggedObject } from './replica-client.js'

/** Reads of one object while other writers replace it. */
const MAX_READS = 100

/** Every integer up to it is exact. A foreign file may have any number; a higher one is ignored. */
const MAX_VERSION = Number.MAX_SAFE_INTEGER

/** A folder of a file system in which exactly one of many writers of a new name succeeds. */
export interface NumberedFolder {
  /** Path of a name, for messages. */
  label(name: string): string
  /** The names that `wanted` accepts, in no order; none if there is no such folder. */
  names(wanted: (name: string) => boolean): Promise<string[]>
  /** False for a directory or a link, which no writer makes. A removed file counts: a newer version exists then. */
  isFile(name: string): Promise<boolean>
  /** Undefined for a file that was removed. */
  read(name: string): Promise<Uint8Array | undefined>
  /** Makes the folder, if need be, and the file with all of its content at once. False if the name is taken. */
  create(name: string, data: Uint8Array): Promise<boolean>
  remove(name: string): Promise<void>
}

/**
 * Small objects with compare-and-set on plain files, which have no such thing: version n of `lock.json` is the file
 * `lock.json.<n>`, made with link(2), of which exactly one of many writers of the same n succeeds. The highest version counts; an
 * empty one says "deleted" and keeps its number from being used again. Older versions are removed once a newer one stands.
 * Holds on local file systems, on NFS and over SFTP, across processes and hosts; a crash between any two steps leaves a valid state.
 */
export class NumberedObjects {
  readonly #folder: NumberedFolder

  constructor(folder: NumberedFolder) {
    this.#folder = folder
  }

  async get(name: string): Promise<TaggedObject | undefined> {
    for (let attempt = 0; attempt < MAX_READS; attempt++) {
      const version = await this.#newest(name, await this.#versions(name))
      if (version === undefined) return undefined
      const data = await this.#folder.read(fileName(name, version))
      if (data !== undefined) return data.byteLength === 0 ? undefined : { data, tag: String(version) }
      // Another writer made a newer version and removed this one between the listing and the read.
    }
    const file = this.#folder.label(name)
    throw new LitestreamError('STORAGE_FAILED', `reading ${file} failed: it changed during ${MAX_READS} attempts`, {
      file,
      hint: 'Check which processes write to the directory, then retry.',
    })
  }

  /** `data` empty deletes. Returns the new tag. */
  async put(name: string, data: Uint8Array, ifTag: string | null): Promise<string> {
    const before = await this.#versions(name)
    const newest = (await this.#newest(name, before)) ?? 0
    const exists = newest > 0 && (await this.get(name)) !== undefined
    if (ifTag === null ? exists : ifTag !== String(newest)) throw this.#lost(name)

    // A directory or a link takes its number too: link(2) could not use the number.
    const version = (before.at(-1) ?? 0) + 1
    if (version > MAX_VERSION) throw this.#noNumber(name, version - 1)
    if (!(await this.#folder.create(fileName(name, version), data))) throw this.#lost(name)
    // Other writers may have passed this number and removed it during the write: then this version is old.
    const after = await this.#versions(name)
    if (after.at(-1) !== version) {
      await this.#folder.remove(fileName(name, version))
      throw this.#lost(name)
    }
    for (const old of after.slice(0, -1)) {
      if (await this.#folder.isFile(fileName(name, old))) await this.#folder.remove(fileName(name, old))
    }
    return String(version)
  }

  #noNumber(name: string, newest: number): LitestreamError {
    const file = this.#folder.label(fileName(name, newest))
    return new LitestreamError('STORAGE_FAILED', `${file} has the highest version number, no version can follow it`, {
      file,
      hint: 'Stop all primaries of the replica, then remove the file.',
    })
  }

  #lost(name: string): LitestreamError {
    const file = this.#folder.label(name)
    return new LitestreamError('PRECONDITION_FAILED', `${file} was changed by another process`, { file })
  }

  /** The numbers of all entries, ascending. */
  async #versions(name: string): Promise<number[]> {
    const numberOf = (entry: string) => Number(entry.slice(name.length + 1))
    const isVersion = (entry: string) =>
      entry.startsWith(`${name}.`) &&
      /^([0-9]{10}|[1-9][0-9]{10,})$/.test(entry.slice(name.length + 1)) &&
      numberOf(entry) <= MAX_VERSION
    const names = await this.#folder.names(isVersion)
    return names.map(numberOf).sort((a, b) => a - b)
  }

  /** The highest version that is a file. */
  async #newest(name: string, versions: readonly number[]): Promise<number | undefined> {
    for (const version of versions.toReversed()) {
      if (await this.#folder.isFile(fileName(name, version))) return version
    }
    return undefined
  }
}

/** Ten digits at least; a version after 9999999999 has more. */
function fileName(name: string, version: number): string {
  return `${name}.${String(version).padStart(10, '0')}`
}
