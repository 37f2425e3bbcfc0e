import type { WalHeader } from '../../wal/wal-header.js'
import { sameCommit, type WalIndex } from '../../wal/wal-index.js'
import { sameGeneration, startOf, type WalPosition } from '../../wal/wal-position.js'

/**
 * The read position in the WAL, and whether the frames after it are certainly all commits since.
 * Any uncertainty becomes a reason for a snapshot.
 */
export class WalCursor {
  /**
   * Whether everything that the read transaction sees was read. From then on no frame can be lost
   * while the transaction lives: if it reads from the WAL, no connection can restart the WAL; if it
   * reads only from the file, no connection can copy frames into the file.
   */
  covered = false
  /** The wal-index at the last check: while it is unchanged, there is nothing to do. */
  seen: WalIndex | undefined
  /** If set, the next file must hold the whole database. */
  snapshotReason: string | undefined
  #position: WalPosition | undefined

  get position(): WalPosition | undefined {
    return this.#position
  }

  /** The database was released: the end of its WAL is no longer known. */
  reset(): void {
    this.#position = undefined
    this.covered = false
    this.seen = undefined
  }

  /** Everything up to `position` was read. `pinned`: the state that the read transaction sees. */
  moveTo(position: WalPosition, pinned: WalIndex | undefined): void {
    this.#position = position
    this.cover(pinned)
  }

  /** The WAL was emptied after everything in it was read; `empty`: its state since. */
  restartAt(empty: WalIndex): void {
    this.#position = { salt1: empty.salt1, salt2: empty.salt2, frames: 0, checksum: [0, 0] }
    this.covered = false
    this.seen = empty
  }

  /**
   * Updates `covered`: whether the position has reached the state that the read transaction sees.
   */
  cover(pinned: WalIndex | undefined): void {
    const position = this.#position
    if (!pinned || !position || !sameGeneration(pinned, position)) return
    if (position.frames >= pinned.frames) this.covered = true
  }

  /** Whether nothing was committed since the last check. */
  isUnchanged(index: WalIndex | undefined): boolean {
    return (
      index !== undefined &&
      this.seen !== undefined &&
      sameCommit(index, this.seen) &&
      this.snapshotReason === undefined
    )
  }

  discontinue(reason: string): 'moved' {
    this.snapshotReason = reason
    return 'moved'
  }

  /**
   * The position from which to continue in the WAL that `index` describes. `header` reads the
   * header of the file.
   */
  next(
    index: WalIndex,
    readHeader: () => WalHeader | undefined,
  ): 'end' | 'moved' | { readonly header: WalHeader; readonly start: WalPosition } {
    const position = this.#position
    if (!position) return this.discontinue('the position in the WAL is not known')
    const same = sameGeneration(index, position)
    if (!same && !this.covered) {
      return this.discontinue('the WAL was restarted in spite of the read transaction')
    }
    if (same && index.frames < position.frames) {
      return this.discontinue('the WAL ends before the last frame that was read')
    }
    if (index.frames === (same ? position.frames : 0)) {
      const unequal = position.checksum[0] !== index.checksum[0] || position.checksum[1] !== index.checksum[1]
      if (same && position.frames > 0 && unequal) return this.discontinue('the WAL was overwritten by another process')
      this.#position = same ? position : { salt1: index.salt1, salt2: index.salt2, frames: 0, checksum: [0, 0] }
      this.seen = index
      return 'end'
    }
    const header = readHeader()
    if (!header || !sameGeneration(header, index)) return 'moved'
    return { header, start: same && position.frames > 0 ? position : startOf(header) }
  }
}
