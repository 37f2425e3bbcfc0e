import { lstat } from 'node:fs/promises'
import path from 'node:path'
import { makeDirectory } from '../../fs/directory.js'
import { writeDurably } from '../../fs/durable.js'
import { isErrno } from '../../fs/fs-error.js'
import { namesIn } from '../../fs/names-in.js'
import { readRegular } from '../../fs/open-regular.js'
import type { Ownership } from '../../fs/owner.js'
import { removeFile } from '../../fs/remove.js'
import { type NumberedFolder, NumberedObjects } from '../numbered-objects.js'

/**
 * Returns the NumberedObjects (small objects with compare-and-set) of a local folder. `ownership`
 * returns the owner and mode for new files.
 */
export function taggedObjects(directory: string, ownership: () => Promise<Ownership | undefined>): NumberedObjects {
  return new NumberedObjects(new LocalFolder(directory, ownership))
}

class LocalFolder implements NumberedFolder {
  readonly #directory: string
  readonly #ownership: () => Promise<Ownership | undefined>

  constructor(directory: string, ownership: () => Promise<Ownership | undefined>) {
    this.#directory = directory
    this.#ownership = ownership
  }

  label(name: string): string {
    return path.join(this.#directory, name)
  }

  names(wanted: (name: string) => boolean): Promise<string[]> {
    return namesIn(this.#directory, wanted)
  }

  async isFile(name: string): Promise<boolean> {
    try {
      const stats = await lstat(this.label(name))
      return !stats.isDirectory() && !stats.isSymbolicLink()
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return true
      throw error
    }
  }

  async read(name: string): Promise<Uint8Array | undefined> {
    try {
      return await readRegular(this.label(name))
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined
      throw error
    }
  }

  async create(name: string, data: Uint8Array): Promise<boolean> {
    const ownership = await this.#ownership()
    const write = () => writeDurably(this.label(name), data, { createOnly: true, ownership })
    try {
      // The directory exists unless this is the first object of a replica.
      await write().catch(async (error: unknown) => {
        if (!isErrno(error, 'ENOENT')) throw error
        await makeDirectory(this.#directory, ownership)
        return write()
      })
      return true
    } catch (error) {
      if (isErrno(error, 'EEXIST')) return false
      throw error
    }
  }

  remove(name: string): Promise<void> {
    return removeFile(this.label(name))
  }
}
