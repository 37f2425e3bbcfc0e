import type { WalPosition } from '../../wal/wal-position.js'
import type { OpenedDatabase } from '../source/database-handle.js'
import { restRecord } from './rest-proof.js'
import type { LtxStaging } from './staging.js'
import { type PrimaryState, StateFile } from './state-file.js'

/** The state of the database after an L0 file. */
export interface Step {
  readonly txid: number
  /** Time of the L0 file, in milliseconds since the epoch. */
  readonly timestamp: number
  /** Size of the database in pages after the L0 file. */
  readonly commit: number
}

/**
 * Maximum size in bytes of the reason in `fenced`. The size of the reason is limited, because the
 * reason may contain a long path, but a slot of the state file has a limited size.
 */
const MAX_REASON_BYTES = 1000

/**
 * The primary's progress with a database. Progress holds the state after the last L0 file in memory
 * and in the state file.
 */
export class Progress {
  txid = 0
  commit = 0
  timestamp = 0
  /** Number of writes by primaries to the database. */
  sequence = 0
  lineage = 0
  readonly #file: StateFile
  #saved: PrimaryState | undefined
  #uploaded: PrimaryState['uploaded']

  constructor(meta: string, database: string) {
    this.#file = new StateFile(meta, database)
  }

  /** Path of the state file. */
  get path(): string {
    return this.#file.path
  }

  /** The last saved state, or undefined before the first L0 file. */
  get saved(): PrimaryState | undefined {
    return this.#saved
  }

  /**
   * Loads the saved state of an earlier process. Returns undefined if replication can continue from
   * the saved state. If replication cannot continue, returns the reason.
   */
  load(staging: LtxStaging): string | undefined {
    const loaded = this.#file.load()
    const staged = staging.list()
    if (loaded.kind !== 'present') {
      this.txid = staged.at(-1)?.txid ?? 0
      if (loaded.kind === 'damaged') return `the state file is damaged: ${loaded.reason}`
      return this.txid === 0 ? 'first sync' : 'the state file is missing'
    }
    const { state } = loaded
    this.#saved = state
    this.#uploaded = state.uploaded
    this.txid = state.txid
    this.commit = state.commit
    this.timestamp = state.timestamp
    // Staged files with a TXID above the saved TXID were never uploaded, because the primary saves
    // the state before it uploads a file.
    for (const file of staged) if (file.txid > state.txid) staging.remove(file.txid)
    return undefined
  }

  /**
   * Saves the state after a new L0 file, which ends at `position`. The primary uploads the file
   * later, so a restarted process knows every uploaded file.
   */
  async advance(step: Step, opened: OpenedDatabase, position: WalPosition): Promise<void> {
    await this.#save(step, opened, position)
    this.txid = step.txid
    this.timestamp = step.timestamp
    this.commit = step.commit
  }

  /** Records the newest file in the replica, which is saved together with the next state. */
  remember(uploaded: NonNullable<PrimaryState['uploaded']>): void {
    this.#uploaded = uploaded
  }

  /** Records permanently that another primary has taken over the replica. */
  async fence(reason: string): Promise<void> {
    const bounded = Buffer.from(reason).subarray(0, MAX_REASON_BYTES).toString()
    if (this.#saved) await this.#write({ ...this.#saved, fenced: bounded })
  }

  /**
   * If another program changed the state file, writes the state file again and returns a
   * description of the change. Returns undefined if no program changed the state file.
   */
  async saveAgainIfChanged(): Promise<string | undefined> {
    const change = this.#file.change()
    if (change === undefined || !this.#saved) return undefined
    this.#file.close()
    // Both slots of the state file are written, so that both slots are valid again.
    await this.#write(this.#saved)
    await this.#write(this.#saved)
    return change
  }

  async save(opened: OpenedDatabase, position: WalPosition): Promise<void> {
    await this.#save(this, opened, position)
  }

  /**
   * Saves the state of a database whose files will be closed next, and closes the state file. For
   * `complete`, see PrimaryState. The state is not synced to the disk, because the primary only
   * needs one more snapshot if a power cut restores an older state.
   */
  async saveForRest(opened: OpenedDatabase, position: WalPosition, complete: boolean): Promise<void> {
    const rest = restRecord(opened.source.path)
    const state = {
      ...this.#stateOf(this, opened, position),
      ...(rest && { rest }),
      ...(complete && { complete: 1 as const }),
    }
    await this.#write(state, { durable: false })
    this.#file.close()
  }

  async #save(step: Step, opened: OpenedDatabase, position: WalPosition): Promise<void> {
    await this.#write(this.#stateOf(step, opened, position))
  }

  #stateOf({ txid, timestamp, commit }: Step, opened: OpenedDatabase, position: WalPosition): PrimaryState {
    return {
      ...(this.#uploaded ? { uploaded: this.#uploaded } : {}),
      ...(this.#saved?.fenced === undefined ? {} : { fenced: this.#saved.fenced }),
      txid,
      timestamp,
      pageSize: opened.source.pageSize,
      commit,
      wal: { ...position, checksum: [...position.checksum] },
      file: opened.identifyFile(),
      lineage: this.lineage,
      sequence: this.sequence,
    }
  }

  /** Saves which file was uploaded last. */
  async close(): Promise<void> {
    try {
      if (this.#saved && this.#uploaded?.txid !== this.#saved.uploaded?.txid) {
        await this.#write({ ...this.#saved, uploaded: this.#uploaded })
      }
    } finally {
      this.#file.close()
    }
  }

  async #write(state: PrimaryState, options?: { readonly durable: boolean }): Promise<void> {
    await this.#file.save(state, options)
    this.#saved = state
  }
}
