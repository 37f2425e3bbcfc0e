import { LitestreamError } from '../errors.js'
import type { TaggedObject } from './replica-client.js'

/** Maximum number of attempts to read one object while other writers replace it. */
const MAX_READS = 100

/**
 * Highest version number of a file that the class uses. JavaScript represents every integer up to
 * MAX_VERSION exactly. The class ignores files with a higher version number. Only another program
 * can have written a file with a higher number.
 */
const MAX_VERSION = Number.MAX_SAFE_INTEGER

/**
 * A folder of a file system in which the files are created atomically. If several writers create a
 * file of the same new name, only one of them succeeds.
 */
export interface NumberedFolder {
  /** Returns the path of a name, for messages. */
  label(name: string): string
  /**
   * Returns the names that `wanted` accepts, in no particular order, or an empty list if the folder
   * does not exist.
   */
  names(wanted: (name: string) => boolean): Promise<string[]>
  /**
   * Whether the entry `name` is a file. Returns false for a directory or a link. No writer of this
   * package creates a directory or a link in the folder. Returns true for a file that was just
   * removed, because a newer version then exists.
   */
  isFile(name: string): Promise<boolean>
  /** Returns the content of a file, or undefined if the file was removed. */
  read(name: string): Promise<Uint8Array | undefined>
  /**
   * Creates the file with its complete content atomically. Also creates the folder if the folder is
   * missing. Returns false if the name already exists.
   */
  create(name: string, data: Uint8Array): Promise<boolean>
  remove(name: string): Promise<void>
}

/**
 * Stores small objects, such as the lease, that several writers replace with compare-and-set. Each
 * version of an object is a plain file. Version n of `lock.json` is the file `lock.json.<n>`. A
 * writer creates the file `lock.json.<n>` with link(2). If several writers create the file for the
 * same n, link(2) succeeds for only one of them. The highest version of an object is the current
 * version. An empty file means that the object is deleted. The empty file keeps its version number
 * reserved. A writer removes the files of older versions after creating a newer one. The scheme
 * works on local file systems, on NFS and over SFTP, for all processes and hosts. A crash between
 * any two steps leaves a valid state.
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
      // The file is missing because another writer has created a newer version and removed this one
      // between the listing and the read.
    }
    const file = this.#folder.label(name)
    throw new LitestreamError(
      'STORAGE_FAILED',
      `reading ${file} failed: the file changed during each of ${MAX_READS} attempts`,
      {
        file,
        hint: 'Find out which processes write to the directory of the replica, then repeat the operation.',
      },
    )
  }

  /**
   * Writes the object if its tag is still `ifTag`. Empty `data` deletes the object. Returns the tag
   * of the new version.
   */
  async put(name: string, data: Uint8Array, ifTag: string | null): Promise<string> {
    const before = await this.#versions(name)
    const newest = (await this.#newest(name, before)) ?? 0
    const isOutdated = ifTag === null ? await this.#exists(name, newest) : ifTag !== String(newest)
    if (isOutdated) throw this.#lost(name)

    // Directories and links also occupy their version numbers, because link(2) cannot create a file
    // with an existing name.
    const version = (before.at(-1) ?? 0) + 1
    if (version > MAX_VERSION) throw this.#noNumber(name, version - 1)
    if (!(await this.#folder.create(fileName(name, version), data))) throw this.#lost(name)
    // During this write, other writers may have created a newer version and removed the file with
    // the number `version`. If `version` is no longer the highest version, the write fails.
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

  /** Whether the object exists. `newest` is the highest version, or 0 without a version. */
  async #exists(name: string, newest: number): Promise<boolean> {
    if (newest === 0) return false
    const data = await this.#folder.read(fileName(name, newest))
    // If another writer has removed the file, a newer version decides.
    return data === undefined ? (await this.get(name)) !== undefined : data.byteLength > 0
  }

  #noNumber(name: string, newest: number): LitestreamError {
    const file = this.#folder.label(fileName(name, newest))
    return new LitestreamError(
      'STORAGE_FAILED',
      `${file} has the highest possible version number, so no version can follow it`,
      {
        file,
        hint: 'Stop all primaries of the replica, then delete this file from the directory of the replica.',
      },
    )
  }

  #lost(name: string): LitestreamError {
    const file = this.#folder.label(name)
    return new LitestreamError('PRECONDITION_FAILED', `${file} was changed by another process`, { file })
  }

  /** Returns the version numbers of all entries of an object in ascending order. */
  async #versions(name: string): Promise<number[]> {
    const numberOf = (entry: string) => Number(entry.slice(name.length + 1))
    const isVersion = (entry: string) =>
      entry.startsWith(`${name}.`) &&
      /^([0-9]{10}|[1-9][0-9]{10,})$/.test(entry.slice(name.length + 1)) &&
      numberOf(entry) <= MAX_VERSION
    const names = await this.#folder.names(isVersion)
    return names.map(numberOf).sort((a, b) => a - b)
  }

  /** Returns the highest version that is a file. */
  async #newest(name: string, versions: readonly number[]): Promise<number | undefined> {
    for (const version of versions.toReversed()) {
      if (await this.#folder.isFile(fileName(name, version))) return version
    }
    return undefined
  }
}

/**
 * Returns the file name of a version. The number has ten digits, or more for versions after
 * 9999999999.
 */
function fileName(name: string, version: number): string {
  return `${name}.${String(version).padStart(10, '0')}`
}
