import { LitestreamError } from '../errors.js'
import type { TaggedObject } from './replica-client.js'

/** Maximum number of reads of one object while other writers replace it. */
const MAX_READS = 100

/**
 * All integers up to this are exact. A file of another program may have any number; a higher one is
 * ignored.
 */
const MAX_VERSION = Number.MAX_SAFE_INTEGER

/** A folder of a file system in which exactly one of many writers of a new name succeeds. */
export interface NumberedFolder {
  /** The path of a name, for messages. */
  label(name: string): string
  /** The names that `wanted` accepts, in no order; empty if the folder does not exist. */
  names(wanted: (name: string) => boolean): Promise<string[]>
  /**
   * False for a directory or a link, which no writer creates. True for a removed file: a newer
   * version exists then.
   */
  isFile(name: string): Promise<boolean>
  /** Undefined if the file was removed. */
  read(name: string): Promise<Uint8Array | undefined>
  /**
   * Creates the folder, if necessary, and the file with its complete content atomically. False if
   * the name is taken.
   */
  create(name: string, data: Uint8Array): Promise<boolean>
  remove(name: string): Promise<void>
}

/**
 * Small objects with compare-and-set on plain files: version n of `lock.json` is the file
 * `lock.json.<n>`, created with link(2), which succeeds for exactly one of several writers of the
 * same n. The highest version counts; an empty one means "deleted" and reserves its number. Older
 * versions are removed after a newer one exists. Works on local file systems, on NFS and over SFTP,
 * across processes and hosts; a crash between any two steps leaves a valid state.
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
      // Another writer created a newer version and removed this one between the listing and the
      // read.
    }
    const file = this.#folder.label(name)
    throw new LitestreamError('STORAGE_FAILED', `reading ${file} failed: it changed during ${MAX_READS} attempts`, {
      file,
      hint: 'Check which processes write to the directory, then retry.',
    })
  }

  /** Empty `data` deletes the object. Returns the new tag. */
  async put(name: string, data: Uint8Array, ifTag: string | null): Promise<string> {
    const before = await this.#versions(name)
    const newest = (await this.#newest(name, before)) ?? 0
    const exists = newest > 0 && (await this.get(name)) !== undefined
    if (ifTag === null ? exists : ifTag !== String(newest)) throw this.#lost(name)

    // The number of a directory or a link counts too: link(2) could not use it.
    const version = (before.at(-1) ?? 0) + 1
    if (version > MAX_VERSION) throw this.#noNumber(name, version - 1)
    if (!(await this.#folder.create(fileName(name, version), data))) throw this.#lost(name)
    // Other writers may have passed this number and removed it during the write: this version is
    // then outdated.
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
    return new LitestreamError(
      'STORAGE_FAILED',
      `${file} has the highest possible version number, so no version can follow it`,
      {
        file,
        hint: 'Stop all primaries of the replica, then remove the file.',
      },
    )
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

/** At least ten digits; versions after 9999999999 have more. */
function fileName(name: string, version: number): string {
  return `${name}.${String(version).padStart(10, '0')}`
}
