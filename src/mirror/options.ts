import type { LitestreamError } from '../errors.js'
import type { LtxFileInfo } from '../storage/replica-client.js'
import type { ByteSize } from '../util/byte-size.js'
import type { Duration } from '../util/duration.js'

/** Interval between two passes of a mirror. Milliseconds. */
export const DEFAULT_MIRROR_INTERVAL = 10_000

export interface MirrorOptions {
  /**
   * How long snapshots and the files of levels 1 to 8 are kept in the destination after the source
   * has deleted them. Default: they are deleted as soon as the source has deleted them and the
   * destination can be restored without them.
   */
  readonly retention?: Duration | undefined
  /** Maximum bytes per second; default: no limit. */
  readonly bytesPerSecond?: ByteSize | undefined
  /**
   * Number of files copied in parallel; default 4. Files that lead to a newer state are copied one
   * after another.
   */
  readonly parallelism?: number | undefined
  /** Progress in bytes; `total`: the bytes that the pass will copy. */
  readonly onProgress?: ((step: { readonly copied: number; readonly total: number }) => void) | undefined
  /** Aborts the mirroring; the files copied so far stay. */
  readonly signal?: AbortSignal | undefined
}

export interface FollowMirrorOptions extends MirrorOptions {
  /**
   * Interval between two passes; default 10 s. A store that reports new files starts a pass earlier.
   */
  readonly interval?: Duration | undefined
  /**
   * Minimum time between the end of a pass and the next one, however many changes the source
   * reports; default 1 s.
   */
  readonly minInterval?: Duration | undefined
  /** Called after each pass that copied or deleted a file, and after the first one. */
  readonly onPass?: ((result: MirrorResult) => void) | undefined
  /** A pass failed and is repeated after a growing delay of at most one minute. */
  readonly onError?: ((error: LitestreamError) => void) | undefined
}

/** A file of the source that was not copied. */
export interface DamagedFile {
  /** The file of the source. */
  readonly file: LtxFileInfo
  /** What is wrong with it. */
  readonly error: LitestreamError
}

/** One pass of a mirror. */
export interface MirrorResult {
  /** Files that were copied. */
  readonly copied: readonly LtxFileInfo[]
  /** Files that were deleted in the destination. */
  readonly deleted: readonly LtxFileInfo[]
  /** Damaged files of the source; the newest state was reached without them. */
  readonly damaged: readonly DamagedFile[]
  /** Bytes read from the source. */
  readonly bytes: number
  /** The newest TXID to which the destination can be restored. */
  readonly txid: number
  /** The newest TXID of the source when it was listed. */
  readonly sourceTxid: number
  /** When the newest state in the destination was written; the epoch if it has none. */
  readonly timestamp: Date
}
