import path from 'node:path'
import { makeDirectory } from '../../fs/directory.js'
import { writeDurably } from '../../fs/durable.js'
import { linkDurably } from '../../fs/link-durably.js'
import type { Ownership } from '../../fs/owner.js'
import { sweepAbandoned } from '../../fs/temporary.js'
import type { NumberedObjects } from '../numbered-objects.js'
import type { WriteOptions } from '../replica-client.js'
import { ReplicaOwnership } from './replica-ownership.js'
import { taggedObjects } from './tagged-objects.js'

/** Writes the files and the tagged objects of a replica in a local directory. */
export class FileWrites {
  /** The tagged objects of the replica. */
  readonly objects: NumberedObjects
  readonly #ownership: ReplicaOwnership
  readonly #swept = new Set<string>()

  /** `ownerLike` is the setting of FileReplicaClient. */
  constructor(root: string, ownerLike: string | undefined) {
    this.#ownership = new ReplicaOwnership(root, ownerLike)
    this.objects = taggedObjects(root, () => this.#ownership.get())
  }

  /** Writes the file `name`. Returns the size of the file in bytes. */
  async write(
    name: string,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    { timestamp, createOnly = false, localFile, signal }: WriteOptions,
  ): Promise<number> {
    const ownership = await this.#ownership.get()
    const directory = path.dirname(name)
    // If the link fails because another program has removed the directory, the copy that follows
    // creates the directory again.
    if (!this.#swept.has(directory)) await this.#ready(directory, ownership)
    const linked = localFile !== undefined && createOnly && (await linkDurably(localFile, name, timestamp, ownership))
    if (linked !== false) return linked
    await this.#ready(directory, ownership)
    return writeDurably(name, body, { mtime: timestamp, createOnly, ownership, signal })
  }

  /**
   * Creates the directory of a level if it is missing. The first call for a directory also removes
   * temporary files that dead writers have left in the directory.
   */
  async #ready(directory: string, ownership: Ownership | undefined): Promise<void> {
    const isNew = await makeDirectory(directory, ownership)
    if (this.#swept.has(directory)) return
    this.#swept.add(directory)
    if (!isNew) await sweepAbandoned(directory)
  }
}
