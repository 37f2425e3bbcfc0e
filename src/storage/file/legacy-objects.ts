import { stat } from 'node:fs/promises'
import path from 'node:path'
import { fsError, isErrno } from '../../fs/fs-error.js'
import { namesIn } from '../../fs/names-in.js'
import { streamRegular } from '../../fs/open-regular.js'
import { throwIfAborted } from '../../util/abort.js'
import type { LegacyObject, LegacyObjects, RequestOptions } from '../replica-client.js'

/** The two folders that the folder of a generation contains. */
const KINDS = ['snapshots', 'wal'] as const

/**
 * Lists and reads the files of Litestream 0.3 in the directory of a file replica. The files of
 * Litestream 0.3 have paths of the form `generations/<16 hex digits>/{snapshots,wal}/<file>`.
 * FileLegacyObjects reads only the directories on the paths of such files. Loops of symbolic links
 * and directories of other programs are therefore harmless.
 */
export class FileLegacyObjects implements LegacyObjects {
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  async *list(prefix: string, { signal }: RequestOptions = {}): AsyncIterable<LegacyObject> {
    for (const generation of await this.#names('generations', (name) => /^[0-9a-f]{16}$/.test(name), signal)) {
      for (const kind of KINDS) {
        const directory = `generations/${generation}/${kind}`
        for (const name of await this.#names(directory, () => true, signal)) {
          const object = `${directory}/${name}`
          const found = object.startsWith(prefix) ? await this.#regular(object, signal) : undefined
          if (found !== undefined) yield found
        }
      }
    }
  }

  async *stream(name: string, { signal }: RequestOptions = {}): AsyncIterable<Uint8Array> {
    const file = path.join(this.#root, name)
    throwIfAborted(signal, `reading ${file}`)
    try {
      for await (const bytes of streamRegular(file, 256 * 1024)) {
        throwIfAborted(signal, `reading ${file}`)
        yield bytes
      }
    } catch (error) {
      throwIfAborted(signal, `reading ${file}`)
      throw fsError(error, 'reading', file)
    }
  }

  /**
   * Returns the names of a directory's entries. Returns an empty list if `directory` is a file or a
   * link, because such an entry does not belong to the replica.
   */
  async #names(directory: string, wanted: (name: string) => boolean, signal?: AbortSignal): Promise<string[]> {
    const absolute = path.join(this.#root, directory)
    try {
      return await namesIn(absolute, wanted, signal)
    } catch (error) {
      if (isErrno(error, 'ENOTDIR', 'ELOOP')) return []
      throw fsError(error, 'listing', absolute)
    }
  }

  /**
   * Returns undefined if the entry is not a file, or if another process has deleted the entry since
   * the directory was listed.
   */
  async #regular(object: string, signal: AbortSignal | undefined): Promise<LegacyObject | undefined> {
    const file = path.join(this.#root, object)
    throwIfAborted(signal, `listing ${file}`)
    try {
      const stats = await stat(file)
      if (!stats.isFile()) return undefined
      const { size, mtimeMs, mode } = stats
      return { name: object, size, createdAt: Math.round(mtimeMs), mode: mode & 0o777 }
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ELOOP')) return undefined
      throw fsError(error, 'listing', file)
    }
  }
}
