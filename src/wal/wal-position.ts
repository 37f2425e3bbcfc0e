import type { WalHeader } from './wal-header.js'

/**
 * A commit boundary in one generation of a WAL. The checksum covers all frames before the position,
 * and so proves the content of these frames.
 */
export interface WalPosition {
  readonly salt1: number
  readonly salt2: number
  /** Number of frames before the position. */
  readonly frames: number
  /**
   * Checksum of the last frame before the position. If the position is before the first frame, the
   * checksum of the WAL header.
   */
  readonly checksum: readonly [number, number]
}

export function sameGeneration(
  a: Pick<WalPosition, 'salt1' | 'salt2'>,
  b: Pick<WalPosition, 'salt1' | 'salt2'>,
): boolean {
  return a.salt1 === b.salt1 && a.salt2 === b.salt2
}

/** Returns the position before the first frame. */
export function startOf(header: WalHeader): WalPosition {
  return { salt1: header.salt1, salt2: header.salt2, frames: 0, checksum: header.checksum }
}
