import { closeSync, readSync, writeSync } from 'node:fs'
import path from 'node:path'
import { LitestreamError } from '../../errors.js'
import { isErrno } from '../../fs/fs-error.js'
import { datasyncDescriptor } from '../../fs/handle.js'
import { openOwnSync } from '../../fs/open-for-writing.js'
import { openRegularSync } from '../../fs/open-regular-sync.js'
import { ownershipLikeSync } from '../../fs/owner.js'
import { isCommit, isPageSize } from '../../ltx/format.js'
import { native } from '../../native/addon.js'
import {
  literal,
  number,
  optional,
  pairOf,
  record,
  type Shaped,
  text,
  tryReadJson,
  u32,
  where,
  whole,
} from '../../util/json-shape.js'
import {
  type FileIdentity,
  identifyDescriptor,
  identifyFile,
  isSameFile,
  isUnchangedFile,
} from '../source/file-identity.js'
import { stateFolderError } from './staging.js'

const count = whole(0)
const wal = record({ salt1: u32, salt2: u32, frames: u32, checksum: pairOf(u32) })
const identity = record({ inode: text, born: text, modified: text, size: count })
const shape = record({
  version: literal(1),
  /**
   * The serial number of the state. The serial number grows with each write, so the slot with the
   * larger serial number holds the current state.
   */
  serial: count,
  txid: count,
  timestamp: number,
  pageSize: where(number, isPageSize, 'a page size'),
  commit: where(number, isCommit, 'a size in pages'),
  wal,
  file: identity,
  lineage: whole(),
  sequence: count,
  complete: optional(literal(1)),
  rest: optional(record({ boot: text, changed: text })),
  uploaded: optional(record({ txid: count, timestamp: number, checksum: text })),
  fenced: optional(text),
})

/** The state of the database, the WAL and the staged files at the last TXID. */
export interface PrimaryState {
  /** TXID of the last L0 file. */
  readonly txid: number
  /** Time of the last L0 file, in milliseconds since the epoch. */
  readonly timestamp: number
  readonly pageSize: number
  /** Size of the database in pages after the last L0 file. */
  readonly commit: number
  /** Position in the WAL at which the last L0 file ended. */
  readonly wal: {
    readonly salt1: number
    readonly salt2: number
    readonly frames: number
    readonly checksum: [number, number]
  }
  /** Identity of the database file when the state was saved. */
  readonly file: { readonly inode: string; readonly born: string; readonly modified: string; readonly size: number }
  readonly lineage: number
  readonly sequence: number
  /**
   * 1 if the WAL was empty and every later write to the database file changes its modification
   * time. As long as the database file is unchanged, every later commit is in the WAL, which begins
   * with these commits.
   */
  readonly complete?: 1 | undefined
  /**
   * Saved when the primary closes the files of an idle database. `boot` identifies the boot of the
   * machine, and `changed` is the ctime of the database file (see rest-proof.ts).
   */
  readonly rest?: { readonly boot: string; readonly changed: string } | undefined
  /** The newest file that is certainly in the replica. */
  readonly uploaded?: { readonly txid: number; readonly timestamp: number; readonly checksum: string } | undefined
  /**
   * The reason why another primary has taken over the replica. As long as `fenced` is set, this
   * primary does not write to the replica.
   */
  readonly fenced?: string | undefined
}

export type LoadedState =
  | { readonly kind: 'present'; readonly state: PrimaryState }
  | { readonly kind: 'missing' }
  | { readonly kind: 'damaged'; readonly reason: string }

const SLOT_BYTES = 2048

/**
 * The state file `<meta>/primary-state`. The state file has two slots, which are written
 * alternately. Each slot is a line with a CRC-64 and JSON. A crash during the write of one slot
 * leaves the other slot unchanged. The primary saves a state after the state's L0 file is durable
 * and before it uploads this L0 file.
 */
export class StateFile {
  readonly path: string
  readonly #database: string
  #fd: number | undefined
  #serial = 0
  /** The identity of the state file after the last write. */
  #written: FileIdentity | undefined

  /** The state file gets the owner and the mode of the file `database`. */
  constructor(meta: string, database: string) {
    this.#database = database
    this.path = path.join(meta, 'primary-state')
  }

  load(): LoadedState {
    let fd: number
    try {
      fd = openRegularSync(this.path)
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return { kind: 'missing' }
      throw stateFolderError(error, this.path, 'reading the state file')
    }
    try {
      const bytes = Buffer.alloc(2 * SLOT_BYTES)
      const got = readSync(fd, bytes, 0, bytes.length, 0)
      const slots = [
        bytes.subarray(0, Math.min(got, SLOT_BYTES)),
        bytes.subarray(SLOT_BYTES, Math.max(got, SLOT_BYTES)),
      ]
      const parsed = slots.map(parseSlot).filter((slot) => slot !== undefined)
      const newest = parsed.sort((a, b) => b.serial - a.serial)[0]
      if (!newest) return { kind: 'damaged', reason: 'neither slot of the file has a valid checksum' }
      this.#serial = newest.serial
      const { version: _, serial: __, ...state } = newest
      return { kind: 'present', state }
    } finally {
      closeSync(fd)
    }
  }

  /**
   * Saves `state` in the state file. With `durable`, resolves when the state is on disk. Without
   * `durable`, resolves when the operating system has the state. Throws DISK_FULL. Only one call of
   * `save` may run at a time.
   */
  async save(state: PrimaryState, { durable = true }: { readonly durable?: boolean } = {}): Promise<void> {
    const serial = this.#serial + 1
    const json = JSON.stringify({ version: 1, serial, ...state })
    if (Buffer.byteLength(json) > SLOT_BYTES - 18)
      throw new LitestreamError('INTERNAL', `${this.path}: the state does not fit into its slot`)
    const slot = Buffer.alloc(SLOT_BYTES, ' ')
    slot.write(`${checksumOf(json)} ${json}\n`)
    try {
      this.#fd ??= openOwnSync(this.path, ownershipLikeSync(this.#database))
      writeSync(this.#fd, slot, 0, SLOT_BYTES, (serial % 2) * SLOT_BYTES)
      if (durable) await datasyncDescriptor(this.#fd)
      this.#written = identifyDescriptor(this.#fd)
    } catch (error) {
      throw stateFolderError(error, this.path, 'writing the state file')
    }
    this.#serial = serial
  }

  /**
   * Describes how another program has changed the state file since this object last wrote it.
   * Returns undefined if the state file is unchanged or was never written. Calls stat once.
   */
  change(): string | undefined {
    if (!this.#written) return undefined
    let now: FileIdentity | undefined
    try {
      now = identifyFile(this.path)
    } catch (error) {
      throw stateFolderError(error, this.path, 'checking the state file')
    }
    if (!now) return 'the state file was removed'
    if (!isSameFile(now, this.#written)) return 'another file has the path of the state file'
    return isUnchangedFile(now, this.#written) ? undefined : 'another program wrote to the state file'
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }
}

function parseSlot(bytes: Buffer): Shaped<typeof shape> | undefined {
  const text = bytes.toString('utf8').trimEnd()
  const json = text.slice(17)
  if (json === '' || text.slice(0, 16) !== checksumOf(json)) return undefined
  return tryReadJson(shape, json)
}

function checksumOf(json: string): string {
  return native.crc64(0n, Buffer.from(json)).toString(16).padStart(16, '0')
}
