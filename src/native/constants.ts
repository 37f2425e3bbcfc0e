/** A set of named numbers whose values only the addon defines. */
type Numbers<Names extends string> = Readonly<Record<Names, number>>

/**
 * Constants that the addon exports to TypeScript (native/napi/constants_napi.cc). Reading a
 * constant loads the addon.
 */
export interface NativeConstants {
  /**
   * Kinds of requests to the replica worker. `ahead` means that a reader reached a page marked by
   * `setTrigger`, and no thread waits for the response. `begin` means that a connection requests
   * the RESERVED lock. `flush` asks the replica worker to upload every commit of this process.
   */
  readonly request: Numbers<'open' | 'page' | 'travel' | 'close' | 'call' | 'ahead' | 'begin' | 'commit' | 'flush'>
  /** States of a replica. */
  readonly state: Numbers<'opening' | 'live' | 'stale' | 'orphaned' | 'closed'>
  /** The place that must contain a commit before the commit is acknowledged. */
  readonly durability: Numbers<'default' | 'store' | 'local'>
  /** Return values of FrameMerger.step. */
  readonly merge: Numbers<'done' | 'outputFull' | 'needInput' | 'fault' | 'incomplete'>
  /** Messages for the faults of a merge, by fault number. */
  readonly mergeFaults: Readonly<Record<number, string>>
  /**
   * Return values of decodeFrames. `more` means that all frames so far were valid, and that the
   * input ended inside a frame or the output is full. `end` means that the next bytes are the 6
   * zero bytes at the end of the page block, which were not consumed. Any return value other than
   * `more` and `end` is a fault.
   */
  readonly decode: Numbers<'more' | 'end'>
  /** Messages for the faults of a frame, by the return value of decodeFrames. */
  readonly frameFaults: Readonly<Record<number, string>>
  /** Positions in the state array of PageIndexReader. `slots` is the length of the array. */
  readonly index: Numbers<
    | 'fault'
    | 'at'
    | 'entry'
    | 'value'
    | 'pgno'
    | 'offset'
    | 'count'
    | 'fileOffset'
    | 'end'
    | 'pageSize'
    | 'commit'
    | 'completeFrom'
    | 'slots'
  >
  /**
   * Faults of a page index. `frameTooLarge` means that a page map cannot store the position of a
   * frame.
   */
  readonly indexFault: Numbers<
    | 'none'
    | 'endsEarly'
    | 'numberTooLarge'
    | 'pageOrder'
    | 'outsideBlock'
    | 'notContiguous'
    | 'frameSize'
    | 'beyondCommit'
    | 'lockPage'
    | 'missing'
    | 'unlisted'
    | 'endsBefore'
    | 'frameTooLarge'
  >
  /** Number of pages per chunk of a page map. */
  readonly chunkPages: number
  /** Number of bits for the size of a frame in a page map. */
  readonly sizeBits: number
  /** Maximum number of slots of a page cache. */
  readonly maxSlots: number
  /** Number of elements per frame in the `frames` argument of `fillSlots`. */
  readonly frameFields: number
  /**
   * The number that is added to the number of the prefetch kind if a reader waits for the
   * prefetched page.
   */
  readonly joined: number
  /**
   * The kinds of prefetch. Native code numbers the kinds of prefetch by position, starting at 1.
   */
  readonly aheadKinds: readonly string[]
  /**
   * The URI parameters that environment variables can set, in the order in which the addon reads
   * the variables.
   */
  readonly readerParameters: readonly { readonly name: string; readonly needs: string | undefined }[]
}

/** The export of the addon that contains the constants. */
export interface ConstantsNative {
  readonly constants: NativeConstants
}
