import type { WalPosition } from '../../wal/wal-position.js'
import type { OpenedDatabase } from '../source/database-handle.js'
import type { LtxStaging } from './staging.js'
import { type PrimaryState, StateFile } from './state-file.js'

/** What a file of level 0 has brought the primary to. */
export interface Step {
  readonly txid: number
  /** Milliseconds since the epoch. */
  readonly timestamp: number
  /** Size of the database in pages. */
  readonly commit: number
}

/** Of what is noted about another primary, a path of a database among it, so much is kept: a slot of the state file has an end. */
const MAX_REASON_BYTES = 1000

/** How far the primary has come with a database: what it knows of its last file, in memory and in the state file. */
export class Progress {
  txid = 0
  commit = 0
  timestamp = 0
  /** How often a primary has written to the database by itself. */
  sequence = 0
  lineage = 0
  readonly #file: StateFile
  #saved: PrimaryState | undefined
  #uploaded: PrimaryState['uploaded']

  constructor(meta: string, database: string) {
    this.#file = new StateFile(meta, database)
  }

  /** What was saved last; undefined before the first file. */
  get saved(): PrimaryState | undefined {
    return this.#saved
  }

  /** Reads what an earlier process knew. Returns why that is not enough to go on from, if it is not. */
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
    // Files behind the state were never offered to the replica: the state is saved before that.
    for (const file of staged) if (file.txid > state.txid) staging.remove(file.txid)
    return undefined
  }

  /**
   * Counts a new file, which ends at `position`, once that is saved: the replica is never offered a file of which a restart would
   * know nothing.
   */
  advance(step: Step, opened: OpenedDatabase, position: WalPosition): void {
    this.#save(step, opened, position)
    this.txid = step.txid
    this.timestamp = step.timestamp
    this.commit = step.commit
  }

  /** What the newest file in the replica is; goes to disk with the next state. */
  remember(uploaded: NonNullable<PrimaryState['uploaded']>): void {
    this.#uploaded = uploaded
  }

  /** Notes for good that the replica belongs to another primary now. */
  fence(reason: string): void {
    const bounded = Buffer.from(reason).subarray(0, MAX_REASON_BYTES).toString()
    if (this.#saved) this.#write({ ...this.#saved, fenced: bounded })
  }

  /** Writes the state file again if it is not what was written last. Returns what had happened to it. */
  saveAgainIfChanged(): string | undefined {
    const change = this.#file.change()
    if (change === undefined || !this.#saved) return undefined
    this.#file.close()
    // Both slots: what another program wrote to either does not count.
    this.#write(this.#saved)
    this.#write(this.#saved)
    return change
  }

  save(opened: OpenedDatabase, position: WalPosition): void {
    this.#save(this, opened, position)
  }

  #save({ txid, timestamp, commit }: Step, opened: OpenedDatabase, position: WalPosition): void {
    this.#write({
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
    })
  }

  /** Saves what was uploaded since the last state. */
  close(): void {
    if (this.#saved && this.#uploaded?.txid !== this.#saved.uploaded?.txid) {
      this.#write({ ...this.#saved, uploaded: this.#uploaded })
    }
    this.#file.close()
  }

  #write(state: PrimaryState): void {
    this.#file.save(state)
    this.#saved = state
  }
}
