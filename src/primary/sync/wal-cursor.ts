import type { WalHeader } from '../../wal/wal-header.js'
import { sameCommit, type WalIndex } from '../../wal/wal-index.js'
import { sameGeneration, startOf, type WalPosition } from '../../wal/wal-position.js'

/**
 * Where in the WAL reading has come to, and whether what follows is known to be all that was committed since. What is not known
 * for certain becomes a reason for a snapshot.
 */
export class WalCursor {
  /**
   * Whether all that the read transaction sees has been read. From then on nothing can get lost while the transaction lives: as
   * long as it reads from the WAL, nobody restarts the WAL; if it reads from the file alone, nobody copies frames to the file.
   */
  covered = false
  /** The wal-index at the last look: as long as it stays so, there is nothing to do. */
  seen: WalIndex | undefined
  /** Set: the next file has to hold the whole database. */
  snapshotReason: string | undefined
  #position: WalPosition | undefined

  get position(): WalPosition | undefined {
    return this.#position
  }

  /** The database is let go of: where its WAL ends is not known any more. */
  reset(): void {
    this.#position = undefined
    this.covered = false
    this.seen = undefined
  }

  /** Everything up to `position` has been read. `pinned`: what the read transaction sees. */
  moveTo(position: WalPosition, pinned: WalIndex | undefined): void {
    this.#position = position
    this.cover(pinned)
  }

  /** Looks whether the position has come to what the read transaction sees. */
  cover(pinned: WalIndex | undefined): void {
    const position = this.#position
    if (!pinned || !position || !sameGeneration(pinned, position)) return
    if (position.frames >= pinned.frames) this.covered = true
  }

  /** Whether nothing was committed since the last look. */
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

  /** From which position to read on in the WAL as `index` describes it. `header` reads the file's. */
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
