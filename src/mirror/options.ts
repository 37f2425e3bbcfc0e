import type { LitestreamError } from '../errors.js'
import type { LtxFileInfo } from '../storage/replica-client.js'
import type { ByteSize } from '../util/byte-size.js'
import type { Duration } from '../util/duration.js'

/** Default interval between two passes of a mirror, in milliseconds. */
export const DEFAULT_MIRROR_INTERVAL = 10_000

export interface MirrorOptions {
  /**
   * How long the destination keeps snapshots and files of levels 1 to 8 that the source has
   * deleted. By default, a file that the source has deleted stays in the destination only while a
   * restore of the newest state needs the file.
   */
  readonly retention?: Duration | undefined
  /** Maximum number of bytes copied per second. Default: no limit. */
  readonly bytesPerSecond?: ByteSize | undefined
  /**
   * Number of files that are copied in parallel. Files that bring the destination to a newer state
   * are copied one after another. The default is 4.
   */
  readonly parallelism?: number | undefined
  /**
   * Called with the progress of the pass in bytes. `total` is the number of bytes that the pass
   * will copy.
   */
  readonly onProgress?: ((step: { readonly copied: number; readonly total: number }) => void) | undefined
  /** Stops the mirroring. Files that were already copied stay in the destination. */
  readonly signal?: AbortSignal | undefined
}

export interface FollowMirrorOptions extends MirrorOptions {
  /**
   * Interval between two passes of the mirror. If the store of the source reports a new file, the
   * next pass starts earlier. The default is 10 s.
   */
  readonly interval?: Duration | undefined
  /**
   * Minimum time between the end of a pass and the start of the next pass, even if the source
   * reports new files. The default is 1 s.
   */
  readonly minInterval?: Duration | undefined
  /**
   * Called after the first pass of the mirror, and after each pass that copied or deleted a file.
   */
  readonly onPass?: ((result: MirrorResult) => void) | undefined
  /**
   * Called after a failed pass of the mirror. The mirror repeats the pass after a delay, which
   * grows up to one minute.
   */
  readonly onError?: ((error: LitestreamError) => void) | undefined
}

/** A damaged file of the source, which the mirror did not copy. */
export interface DamagedFile {
  /** The file of the source. */
  readonly file: LtxFileInfo
  /** The error that describes the damage. */
  readonly error: LitestreamError
}

/** The result of one mirror pass. */
export interface MirrorResult {
  /** The files that were copied to the destination. */
  readonly copied: readonly LtxFileInfo[]
  /** The files that were deleted in the destination. */
  readonly deleted: readonly LtxFileInfo[]
  /**
   * The damaged files of the source. The newest state can be restored without the damaged files.
   */
  readonly damaged: readonly DamagedFile[]
  /** Number of bytes that were read from the source. */
  readonly bytes: number
  /** The newest TXID that can be restored from the destination. */
  readonly txid: number
  /** The newest TXID of the source at the time of its listing. */
  readonly sourceTxid: number
  /**
   * Creation time of the newest file in the destination, or the epoch if the destination has no
   * files.
   */
  readonly timestamp: Date
}
