import path from 'node:path'
import { namesIn } from '../../fs/names-in.js'
import { type Ownership, ownershipLike, ownershipLikeSync } from '../../fs/owner.js'
import { parseFileName } from '../../ltx/file-name.js'
import { LEVELS } from '../../ltx/format.js'
import { levelDirectory } from '../keys.js'

/**
 * Owner and mode for new files of a replica in a folder. The files get the owner and mode of the
 * database, or of an existing file of the replica. All users that can read the database can
 * therefore read the replica. A file that root writes stays accessible to the owner of the replica.
 */
export class ReplicaOwnership {
  readonly #root: string
  readonly #database: string | undefined
  /** Path of an existing file of the replica, whose owner and mode new files get. */
  #example: string | undefined

  /** `database` is the path of the replicated database, if the caller knows it. */
  constructor(root: string, database: string | undefined) {
    this.#root = root
    this.#database = database
  }

  /**
   * Returns undefined for a new replica of an unknown database, so that the defaults of the process
   * apply.
   */
  async get(): Promise<Ownership | undefined> {
    // Reads owner and mode with a synchronous call, because the database is on a local disk and the
    // primary has just accessed it.
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
