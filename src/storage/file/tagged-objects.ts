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
    for (;;) {
      const version = (await this.#versions(name)).at(-1)
      if (version === undefined) return undefined
      try {
        const data = await readRegular(this.#file(name, version))
        return data.byteLength === 0 ? undefined : { data, tag: String(version) }
      } catch (error) {
        // A newer version stands, and this one was removed between the listing and the read.
        if (!isErrno(error, 'ENOENT')) throw error
      }
    }
  }

  /** `data` empty deletes. Returns the new tag. */
  async put(name: string, data: Uint8Array, ifTag: string | null, ownership: Ownership | undefined): Promise<string> {
    await makeDirectory(this.#directory, ownership)
    const newest = (await this.#versions(name)).at(-1) ?? 0
    const exists = newest > 0 && (await this.get(name)) !== undefined
    if (ifTag === null ? exists : ifTag !== String(newest)) throw this.#lost(name)

    const version = newest + 1
    const file = this.#file(name, version)
    try {
      await writeDurably(file, data, { createOnly: true, ownership })
    } catch (error) {
      if (isErrno(error, 'EEXIST')) throw this.#lost(name, error)
      throw error
    }
    // While we wrote, others may have gone past our number and swept it: then the file we made is old, and we lost.
    const after = await this.#versions(name)
    if (after.at(-1) !== version) {
      await removeFile(this.#file(name, version))
      throw this.#lost(name)
    }
    for (const old of after.slice(0, -1)) await removeFile(this.#file(name, old))
    return String(version)
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

  /** Ascending. */
  async #versions(name: string): Promise<number[]> {
    const isVersion = (entry: string) =>
      entry.startsWith(`${name}.`) && /^[0-9]{10}$/.test(entry.slice(name.length + 1))
    const names = await namesIn(this.#directory, isVersion)
    return names.map((entry) => Number(entry.slice(name.length + 1))).sort((a, b) => a - b)
  }

  #file(name: string, version: number): string {
    return path.join(this.#directory, `${name}.${String(version).padStart(10, '0')}`)
  }
}
