import { stat } from 'node:fs/promises'
import { isLitestreamError } from '../errors.js'
import { newFileMode } from '../fs/owner.js'
import { planRestore } from '../levels/plan.js'
import type { ReplicaClient } from '../storage/replica-client.js'
import { Assembly } from './assembly.js'
import type { RestoreOptions, RestoreResult } from './restore-options.js'
import type { RestoreSource } from './source.js'
import { assembleV3 } from './v3/assemble.js'

/** How often a restore plans again because files vanished under it: each time something newer has taken their place. */
const MAX_REPLANS = 10

export type Restored = Pick<RestoreResult, 'txid' | 'timestamp' | 'bytes' | 'plan' | 'legacy'>

/** The part of a restore that depends on the format of the replica. */
export interface RestoreJob {
  /** What a dry run reports. */
  readonly planned: Restored
  /** Permission bits that a new database may have, so that it is not open to more users than the files that it is made from. */
  readonly maxMode: number
  /** Fills the file at `temporary`, which exists and is empty. */
  build(temporary: string): Promise<Restored>
  /**
   * Verifies the checksums that building has not: of files of which it read some frames only. Throws LTX_CORRUPT. Returns the labels
   * of files that could not be verified because they were deleted meanwhile.
   */
  verifyRest(): Promise<string[]>
}

export function restoreJob(
  client: ReplicaClient,
  source: RestoreSource,
  options: RestoreOptions & { readonly signal: AbortSignal },
): RestoreJob {
  return source.format === 'ltx' ? new LtxJob(client, source, options) : v3Job(source, options)
}

class LtxJob implements RestoreJob {
  readonly planned: Restored
  readonly #client: ReplicaClient
  readonly #options: RestoreOptions & { readonly signal: AbortSignal }
  #plan: Restored['plan']
  #assembly: Assembly | undefined

  constructor(
    client: ReplicaClient,
    { plan }: Extract<RestoreSource, { format: 'ltx' }>,
    options: RestoreOptions & { readonly signal: AbortSignal },
  ) {
    this.#client = client
    this.#plan = plan
    this.#options = options
    const { maxTxid, createdAt } = plan.at(-1)!
    this.planned = { txid: maxTxid, timestamp: createdAt, bytes: 0, plan }
  }

  get maxMode(): number {
    return newFileMode(this.#plan)
  }

  async build(temporary: string): Promise<Restored> {
    const { onProgress, parallelism = 8, signal } = this.#options
    this.#assembly = new Assembly(this.#client, temporary, {
      parallelism,
      signal,
      ...(onProgress ? { onProgress: (progress) => onProgress({ phase: 'pages', ...progress }) } : {}),
    })
    for (let replans = 0; ; replans++) {
      try {
        const { header } = await this.#assembly.run(this.#plan)
        const { timestamp, commit, pageSize } = header
        return { txid: this.#plan.at(-1)!.maxTxid, timestamp, bytes: commit * pageSize, plan: this.#plan }
      } catch (error) {
        if (!isLitestreamError(error, 'NOT_FOUND') || replans === MAX_REPLANS) throw error
        this.#plan = await planRestore(this.#client, this.#options)
      }
    }
  }

  async verifyRest(): Promise<string[]> {
    return (await this.#assembly?.verifyRest(this.#plan)) ?? []
  }
}

function v3Job(
  { objects, plan }: Extract<RestoreSource, { format: 'v0.3' }>,
  { onProgress, signal }: RestoreOptions & { readonly signal: AbortSignal },
): RestoreJob {
  const { snapshot, segments } = plan
  const last = segments.at(-1) ?? snapshot
  const legacy = { generation: snapshot.generation, index: last.index }
  const planned = { txid: 0, timestamp: last.createdAt, bytes: 0, plan: [], legacy }
  return {
    planned,
    maxMode: newFileMode([snapshot, ...segments]),
    async build(temporary) {
      await assembleV3(objects, plan, temporary, {
        signal,
        onProgress: (written, total) => onProgress?.({ phase: 'objects', written, total }),
      })
      return { ...planned, bytes: (await stat(temporary)).size }
    },
    // Every LZ4 frame has a checksum, and every frame of the WAL another.
    verifyRest: async () => [],
  }
}
