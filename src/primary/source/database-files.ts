import type { WalFile } from '../../wal/wal-file.js'
import { walSize } from '../../wal/wal-header.js'
import { sameCommit, type WalIndex } from '../../wal/wal-index.js'
import { sameGeneration } from '../../wal/wal-position.js'
import { type FileIdentity, identifyFile, isSameFile, isUnchangedFile } from './file-identity.js'
import { otherCheckpoints, otherShmUser } from './shm-users.js'
import { hasRemovedShm } from './sqlite-copies.js'

/** Size in bytes of the pieces in which SQLite maps the wal-index. */
const SHM_REGION = 32_768

/** Whether the paths of a database still name the files that this process opened. */
export type Presence =
  | { readonly kind: 'same' }
  /** `deleted` means that no file exists at the path of the database any more. */
  | { readonly kind: 'deleted' }
  /**
   * `replaced` means that another file has replaced the opened database file, -wal or -shm at its
   * path. `database` is true if the database file itself was replaced. `trusted` is true if a last
   * sync may read the opened files. `onlyHere` is true if the -wal was removed and no other process
   * has the -wal open. If no other process has the removed -wal open, its frames are lost when this
   * process closes the -wal.
   */
  | {
      readonly kind: 'replaced'
      readonly what: string
      readonly trusted: boolean
      readonly database?: boolean
      readonly onlyHere?: boolean
    }
  /**
   * `lost` means that the file `what` was removed or replaced, but the process `pid` still has the
   * old file open and commits to it. `pid` is -1 if the process is unknown, and 0 for this process.
   */
  | { readonly kind: 'lost'; readonly what: string; readonly pid: number }
  /** `rewritten` means that a program other than SQLite wrote to the database file. */
  | { readonly kind: 'rewritten' }

const SAME: Presence = { kind: 'same' }

/** The identity of a database file and its wal-index, both read while no checkpoint was running. */
interface Look {
  readonly file: FileIdentity
  readonly index: WalIndex
}

/**
 * Compares the opened database file, -wal and -shm with the files that their paths name now.
 * DatabaseFiles calls only stat, which affects no lock.
 */
export class DatabaseFiles {
  readonly #path: string
  readonly #pageSize: number
  readonly #database: FileIdentity
  readonly #walPath: string
  readonly #walDescriptor: number
  readonly #wal: FileIdentity | undefined
  readonly #shmPath: string
  readonly #shm: FileIdentity | undefined
  /**
   * Whether connections of this process still use a removed -shm. As long as a connection of this
   * process uses a removed -shm, SQLite uses the removed -shm for each new connection of this
   * process too.
   */
  readonly #sharesRemovedShm: boolean
  #look: Look | undefined

  /**
   * `path` is the path of the database as the caller passed it. `real` is the path without symbolic
   * links, from which SQLite derives the names of the -wal and the -shm.
   */
  constructor(path: string, real: string, database: FileIdentity, wal: WalFile, pageSize: number) {
    this.#path = path
    this.#pageSize = pageSize
    this.#database = database
    this.#walPath = wal.path
    this.#walDescriptor = wal.descriptor
    const named = identifyFile(wal.path)
    this.#wal = named?.inode === String(wal.inode) ? named : undefined
    this.#shmPath = `${real}-shm`
    this.#shm = identifyFile(this.#shmPath)
    this.#sharesRemovedShm = hasRemovedShm(real)
  }

  /**
   * Returns the identity of the database file at the path of the database. If no file exists at the
   * path, returns the identity of the opened file.
   */
  identify(): FileIdentity {
    return identifyFile(this.#path) ?? this.#database
  }

  /**
   * Calls stat five times. `walIndex` reads the wal-index. `walIndex` is called only while the -shm
   * is long enough to be read.
   */
  presence(walIndex: () => WalIndex | undefined): Presence {
    const file = identifyFile(this.#path)
    if (!file) return { kind: 'deleted' }
    if (!isSameFile(file, this.#database))
      return { kind: 'replaced', what: 'the database file', trusted: true, database: true }
    const wal = identifyFile(this.#walPath)
    const shm = identifyFile(this.#shmPath)
    const lost = this.#lost(wal, shm)
    if (lost) return lost
    const index = walIndex()
    if (index && this.#isCut(index)) {
      const again = walIndex()
      // A checkpoint that has just truncated the -wal has also changed the wal-index. In both
      // cases, the next sync decides whether the -wal was replaced.
      if (!again || !sameCommit(index, again) || !this.#isCut(again)) return SAME
      return { kind: 'replaced', what: `${this.#walPath}, which is shorter than the wal-index says,`, trusted: false }
    }
    return index && this.#isRewritten(file, index) ? { kind: 'rewritten' } : SAME
  }

  /**
   * Whether the -wal is shorter than the frames that the wal-index counts. SQLite writes frames to
   * the -wal before it updates the wal-index, so the -wal is never too short if only SQLite writes
   * to the -wal.
   */
  #isCut({ frames }: WalIndex): boolean {
    return frames > 0 && (identifyFile(this.#walPath)?.size ?? 0) < walSize(frames, this.#pageSize)
  }

  #lost(wal: FileIdentity | undefined, shm: FileIdentity | undefined): Presence | undefined {
    if (this.#sharesRemovedShm) return { kind: 'lost', what: this.#shmPath, pid: 0 }
    const sameWal = wal !== undefined && this.#wal !== undefined && isSameFile(wal, this.#wal)
    const sameShm = shm !== undefined && this.#shm !== undefined && isSameFile(shm, this.#shm)
    // A read beyond the end of the mapped -shm would end the process (SIGBUS). SQLite makes a new
    // wal-index when the database is opened again.
    if (sameShm && shm.size < SHM_REGION) return { kind: 'replaced', what: this.#shmPath, trusted: false }
    if (sameWal && sameShm) return undefined
    const pid = this.#shm ? otherShmUser(this.#shm, this.#walDescriptor) : 0
    const what = sameShm ? this.#walPath : this.#shmPath
    if (pid !== 0) return { kind: 'lost', what, pid }
    return { kind: 'replaced', what, trusted: sameShm, onlyHere: sameShm && (wal?.size ?? 0) === 0 }
  }

  /**
   * Must be called after each checkpoint of the primary, because a checkpoint changes the database
   * file.
   */
  checkpointed(index: WalIndex | undefined): void {
    this.#look = undefined
    if (index) this.#isRewritten(this.identify(), index)
  }

  /**
   * Whether a program wrote to the database file although no checkpoint ran. In WAL mode only
   * checkpoints write to the database file, and each checkpoint changes the wal-index before and
   * after its writes. Compares the file and the wal-index at two moments at which no checkpoint was
   * running.
   */
  #isRewritten(file: FileIdentity, index: WalIndex): boolean {
    const before = this.#look
    this.#look = undefined
    if (index.attempted > index.backfilled && this.#shm && otherCheckpoints(this.#shm, this.#walDescriptor))
      return false
    if (!isUnchangedFile(file, this.identify())) return false
    this.#look = { file, index }
    return before !== undefined && sameCheckpoints(before.index, index) && !isUnchangedFile(before.file, file)
  }
}

function sameCheckpoints(a: WalIndex, b: WalIndex): boolean {
  return sameGeneration(a, b) && a.backfilled === b.backfilled && a.attempted === b.attempted
}
