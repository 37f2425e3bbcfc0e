import path from 'node:path'
import { namesIn } from '../../fs/names-in.js'
import { type Ownership, ownershipLike, ownershipLikeSync } from '../../fs/owner.js'
import { parseFileName } from '../../ltx/file-name.js'
import { LEVELS } from '../../ltx/format.js'
import { levelDirectory } from '../keys.js'

/**
 * Owner and mode for new files of a replica in a folder: those of the database, or of an existing
 * file of the replica. So the users that can read the database can read the replica, and files
 * written by root do not lock out its owner.
 */
export class ReplicaOwnership {
  readonly #root: string
  readonly #database: string | undefined
  /** An existing file of the replica. */
  #example: string | undefined

  /** `database`: path of the database that is replicated, if it is known. */
  constructor(root: string, database: string | undefined) {
    this.#root = root
    this.#database = database
  }

  /** Undefined for a new replica of an unknown database: the process's defaults then apply. */
  async get(): Promise<Ownership | undefined> {
    // The primary has just accessed the database, which is on a local disk, so this call does not
    // block.
    const like = this.#database === undefined ? undefined : ownershipLikeSync(this.#database)
    return like ?? (await this.#likeExample())
  }

  async #likeExample(): Promise<Ownership | undefined> {
    const known = this.#example === undefined ? undefined : await ownershipLike(this.#example)
    if (known) return known
    for (const level of LEVELS) {
      const directory = path.join(this.#root, levelDirectory(level))
      const [name] = await namesIn(directory, (each) => parseFileName(each) !== undefined)
      if (name === undefined) continue
      this.#example = path.join(directory, name)
      return ownershipLike(this.#example)
    }
    return undefined
  }
}
