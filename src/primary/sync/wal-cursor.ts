import type { WalHeader } from '../../wal/wal-header.js'
import { sameCommit, type WalIndex } from '../../wal/wal-index.js'
import { sameGeneration, startOf, type WalPosition } from '../../wal/wal-position.js'

/**
 * The position in the WAL up to which the primary has read. If frames may have been lost after this
 * position, the next L0 file must hold the whole database.
 */
export class WalCursor {
  /**
   * Whether the primary has read every frame that its read transaction sees. After the primary has
   * read every such frame, no later frame can be lost during the read transaction. If the
   * transaction reads from the WAL, no connection can restart the WAL. If the transaction reads
   * only from the database file, no connection can copy frames into the database file.
   */
  covered = false
  /**
   * The wal-index at the last check. As long as the current wal-index equals `seen`, no new frames
   * exist.
   */
  seen: WalIndex | undefined
  /** The reason why the next L0 file must hold the whole database. */
  snapshotReason: string | undefined
  #position: WalPosition | undefined

  get position(): WalPosition | undefined {
    return this.#position
  }

  /** Must be called after the database was closed, because its WAL may then change unnoticed. */
  reset(): void {
    this.#position = undefined
    this.covered = false
    this.seen = undefined
  }

  /**
   * Records that the primary has read every frame up to `position`. `pinned` is the wal-index that
   * the read transaction sees.
   */
  moveTo(position: WalPosition, pinned: WalIndex | undefined): void {
    this.#position = position
    this.cover(pinned)
  }

  /**
   * Records that the primary has read every frame and then emptied the WAL. `empty` is the
   * wal-index of the empty WAL.
   */
  restartAt(empty: WalIndex): void {
    this.#position = { salt1: empty.salt1, salt2: empty.salt2, frames: 0, checksum: [0, 0] }
    this.covered = false
    this.seen = empty
  }

  /** Updates `covered`. `pinned` is the wal-index that the read transaction sees. */
  cover(pinned: WalIndex | undefined): void {
    const position = this.#position
    if (!pinned || !position || !sameGeneration(pinned, position)) return
    if (position.frames >= pinned.frames) this.covered = true
  }

  /** Whether no transaction was committed since the last check. */
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
   * Returns the position at which the primary must continue to read the WAL. `index` is the current
   * wal-index. `header` reads the header of the WAL file.
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
