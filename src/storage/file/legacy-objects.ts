import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { fsError, isErrno } from '../../fs/fs-error.js'
import { throwIfAborted } from '../../util/abort.js'
import type { LegacyObject, LegacyObjects, RequestOptions } from '../replica-client.js'

/** What Litestream 0.3 left in the directory of a file replica. */
export class FileLegacyObjects implements LegacyObjects {
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  async *list(prefix: string, { signal }: RequestOptions = {}): AsyncIterable<LegacyObject> {
    const directory = path.join(this.#root, prefix)
    let names: string[]
    try {
      names = await readdir(directory, { recursive: true })
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return
      throw fsError(error, 'listing', directory)
    }
    for (const name of names) {
      throwIfAborted(signal, `listing ${directory}`)
      const stats = await stat(path.join(directory, name))
      if (!stats.isFile()) continue
      const object = path.posix.join(prefix, name.split(path.sep).join('/'))
      yield { name: object, size: stats.size, createdAt: Math.round(stats.mtimeMs) }
    }
  }

  async *stream(name: string, { signal }: RequestOptions = {}): AsyncIterable<Uint8Array> {
    const file = path.join(this.#root, name)
    throwIfAborted(signal, `reading ${file}`)
    try {
      yield* createReadStream(file, {
        highWaterMark: 256 * 1024,
        ...(signal ? { signal } : {}),
      }) as AsyncIterable<Uint8Array>
    } catch (error) {
      throwIfAborted(signal, `reading ${file}`)
      throw fsError(error, 'reading', file)
    }
  }
}
