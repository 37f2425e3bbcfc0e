import { statSync } from 'node:fs'
import { isErrno } from '../../fs/fs-error.js'
import { monotonicMs } from '../../util/monotonic.js'

/** The size of a database file, and how long it has been missing. Uses only stat; never throws. */
export class DatabaseFile {
  readonly #path: string
  /** `monotonicMs`; undefined while the file exists, or if that is unknown. */
  #missingSince: number | undefined

  constructor(path: string) {
    this.#path = path
  }

  look(): { readonly size: number; readonly missingMs: number | undefined } {
    try {
      const { size } = statSync(this.#path)
      this.#missingSince = undefined
      return { size, missingMs: undefined }
    } catch (error) {
      // An unresolvable path is an error of the replication, which reports it.
      if (!isErrno(error, 'ENOENT', 'ENOTDIR')) return { size: 0, missingMs: undefined }
      this.#missingSince ??= monotonicMs()
      return { size: 0, missingMs: monotonicMs() - this.#missingSince }
    }
  }
}
