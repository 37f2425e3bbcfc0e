import type { WalFile } from '../../wal/wal-file.js'
import { walSize } from '../../wal/wal-header.js'
import { sameCommit, type WalIndex } from '../../wal/wal-index.js'
import { sameGeneration } from '../../wal/wal-position.js'
import { type FileIdentity, identifyFile, isSameFile, isUnchangedFile } from './file-identity.js'
import { otherCheckpoints, otherShmUser } from './shm-users.js'
import { hasRemovedShm } from './sqlite-copies.js'

/** SQLite maps the wal-index in pieces of so many bytes. */
const SHM_REGION = 32_768

/** What became of the files that were opened, at the paths of a database. */
export type Presence =
  | { readonly kind: 'same' }
  /** No file has the database's name. */
  | { readonly kind: 'deleted' }
  /**
   * The paths name other files. `database`: the database file is among them. `trusted`: what the opened files tell still counts, for
   * a last sync. `onlyHere`: the -wal was removed and no other process has it, so its frames are lost once it is closed.
   */
  | {
      readonly kind: 'replaced'
      readonly what: string
      readonly trusted: boolean
      readonly database?: boolean
      readonly onlyHere?: boolean
    }
  /** `what` was removed or replaced, but process `pid` (-1: unknown, 0: this one) still commits to the files that were opened. */
  | { readonly kind: 'lost'; readonly what: string; readonly pid: number }
  /** Another program than SQLite wrote to the database file. */
  | { readonly kind: 'rewritten' }

const SAME: Presence = { kind: 'same' }

/** A database file and its wal-index at a moment without a checkpoint. */
interface Look {
  readonly file: FileIdentity
  readonly index: WalIndex
}

/**
 * The identity of a database file, its -wal and its -shm as they were opened, held against what their paths name now. By stat
 * alone, which touches no lock.
 */
export class DatabaseFiles {
  readonly #path: string
  readonly #pageSize: number
  readonly #database: FileIdentity
  readonly #walPath: string
  readonly #wal: FileIdentity | undefined
  readonly #shmPath: string
  readonly #shm: FileIdentity | undefined
  /** Connections of this process keep a -shm that was removed: each new connection gets it, too. */
  readonly #sharesRemovedShm: boolean
  #look: Look | undefined

  /** `path`: as it was given; `real`: without symbolic links, as SQLite names the other two after it. */
  constructor(path: string, real: string, database: FileIdentity, wal: WalFile, pageSize: number) {
    this.#path = path
    this.#pageSize = pageSize
    this.#database = database
    this.#walPath = wal.path
    const named = identifyFile(wal.path)
    this.#wal = named?.inode === String(wal.inode) ? named : undefined
    this.#shmPath = `${real}-shm`
    this.#shm = identifyFile(this.#shmPath)
    this.#sharesRemovedShm = hasRemovedShm(real)
  }

  /** The database file as it is now, or as it was opened if it is gone. */
  identify(): FileIdentity {
    return identifyFile(this.#path) ?? this.#database
  }

  /** Five calls of stat. `walIndex` reads the wal-index; it is called only while the -shm can be read without danger. */
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
      // A connection that has just truncated the -wal has changed the wal-index as well; the next sync decides.
      if (!again || !sameCommit(index, again) || !this.#isCut(again)) return SAME
      return { kind: 'replaced', what: `${this.#walPath}, which is shorter than the wal-index says,`, trusted: false }
    }
    return index && this.#isRewritten(file, index) ? { kind: 'rewritten' } : SAME
  }

  /** Whether the -wal lacks frames of the wal-index, which SQLite writes only after them. */
  #isCut({ frames }: WalIndex): boolean {
    return frames > 0 && (identifyFile(this.#walPath)?.size ?? 0) < walSize(frames, this.#pageSize)
  }

  #lost(wal: FileIdentity | undefined, shm: FileIdentity | undefined): Presence | undefined {
    if (this.#sharesRemovedShm) return { kind: 'lost', what: this.#shmPath, pid: 0 }
    const sameWal = wal !== undefined && this.#wal !== undefined && isSameFile(wal, this.#wal)
    const sameShm = shm !== undefined && this.#shm !== undefined && isSameFile(shm, this.#shm)
    // Reading memory beyond the end of the file would end the process (SIGBUS); SQLite makes a new wal-index when it is opened.
    if (sameShm && shm.size < SHM_REGION) return { kind: 'replaced', what: this.#shmPath, trusted: false }
    if (sameWal && sameShm) return undefined
    const pid = this.#shm ? otherShmUser(this.#shm) : 0
    const what = sameShm ? this.#walPath : this.#shmPath
    if (pid !== 0) return { kind: 'lost', what, pid }
    return { kind: 'replaced', what, trusted: sameShm, onlyHere: sameShm && (wal?.size ?? 0) === 0 }
  }

  /** A checkpoint has just been made: the database file is what it left. */
  checkpointed(index: WalIndex | undefined): void {
    this.#look = undefined
    if (index) this.#isRewritten(this.identify(), index)
  }

  /**
   * Whether the database file was written to although no checkpoint was made: only checkpoints write to it in WAL mode, and they note
   * before and after in the wal-index how far they have come. Two looks are compared at which none was running.
   */
  #isRewritten(file: FileIdentity, index: WalIndex): boolean {
    const before = this.#look
    this.#look = undefined
    if (index.attempted > index.backfilled && this.#shm && otherCheckpoints(this.#shm)) return false
    if (!isUnchangedFile(file, this.identify())) return false
    this.#look = { file, index }
    return before !== undefined && sameCheckpoints(before.index, index) && !isUnchangedFile(before.file, file)
  }
}

function sameCheckpoints(a: WalIndex, b: WalIndex): boolean {
  return sameGeneration(a, b) && a.backfilled === b.backfilled && a.attempted === b.attempted
}
