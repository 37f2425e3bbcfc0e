import { stat } from 'node:fs/promises'
import { newFileMode } from '../fs/owner.js'
import { planRestore } from '../levels/plan.js'
import { planAround } from '../levels/plan-around.js'
import type { LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import type { Resolved } from '../util/check-arguments.js'
import { Assembly } from './assembly.js'
import type { RestoreOptions, RestoreResult } from './restore-options.js'
import type { RestoreSource } from './source.js'
import { assembleV3 } from './v3/assemble.js'

export type Restored = Pick<RestoreResult, 'txid' | 'bytes' | 'plan' | 'legacy' | 'warnings'> & {
  /** Time of the restored state, in milliseconds since the epoch. */
  readonly timestamp: number
}

/** The part of a restore that depends on the format of the replica. */
export interface RestoreJob {
  /** The result of a dry run. */
  readonly planned: Restored
  /**
   * Maximum permission bits of a new database. Because of `maxMode`, users who could not read the
   * files of the replica cannot read the database.
   */
  readonly maxMode: number
  /**
   * Writes the database to the file at `temporary`, and verifies every checksum. The file must
   * exist and be empty.
   */
  build(temporary: string): Promise<Restored>
}

export function restoreJob(
  client: ReplicaClient,
  source: RestoreSource,
  options: Resolved<RestoreOptions> & { readonly signal: AbortSignal },
): RestoreJob {
  return source.format === 'ltx' ? new LtxJob(client, source, options) : v3Job(source, options)
}

class LtxJob implements RestoreJob {
  readonly planned: Restored
  readonly #client: ReplicaClient
  readonly #options: Resolved<RestoreOptions> & { readonly signal: AbortSignal }
  #plan: LtxFileInfo[]

  constructor(
    client: ReplicaClient,
    { plan }: Extract<RestoreSource, { format: 'ltx' }>,
    options: Resolved<RestoreOptions> & { readonly signal: AbortSignal },
  ) {
    this.#client = client
    this.#plan = plan
    this.#options = options
    const { maxTxid, createdAt } = plan.at(-1)!
    this.planned = { txid: maxTxid, timestamp: createdAt, bytes: 0, plan, warnings: [] }
  }

  get maxMode(): number {
    return newFileMode(this.#plan)
  }

  async build(temporary: string): Promise<Restored> {
    const { onProgress, parallelism = 8, integrityCheck = 'quick', signal, txid, timestamp } = this.#options
    const assembly = new Assembly(this.#client, temporary, {
      parallelism,
      signal,
      readAfter: integrityCheck !== 'none',
      ...(onProgress ? { onProgress: (progress) => onProgress({ phase: 'pages', ...progress }) } : {}),
    })
    const target = { ...(txid === undefined ? {} : { txid }), ...(timestamp === undefined ? {} : { timestamp }) }
    let first: LtxFileInfo[] | undefined = this.#plan
    const warnings: string[] = []
    return planAround({
      plan: async (without) => {
        this.#plan = first ?? (await planRestore(this.#client, { ...target, signal, without }))
        first = undefined
        return this.#plan
      },
      use: async (plan) => {
        const { header } = await assembly.run(plan, target)
        const { timestamp, commit, pageSize } = header
        return { txid: plan.at(-1)!.maxTxid, timestamp, bytes: commit * pageSize, plan, warnings }
      },
      onDamaged: ({ message }) => {
        warnings.push(
          `${message}. The database was restored from other files; delete this file if \`litestream-ts verify\` still reports the file`,
        )
      },
    })
  }
}

function v3Job(
  { objects, plan }: Extract<RestoreSource, { format: 'v0.3' }>,
  { onProgress, signal }: Resolved<RestoreOptions> & { readonly signal: AbortSignal },
): RestoreJob {
  const { snapshot, segments } = plan
  const last = segments.at(-1) ?? snapshot
  const legacy = { generation: snapshot.generation, index: last.index }
  const planned = { txid: 0, timestamp: last.createdAt, bytes: 0, plan: [], warnings: [], legacy }
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
  }
}
