/** A set of named numbers whose values only the addon defines. */
type Numbers<Names extends string> = Readonly<Record<Names, number>>

/**
 * Constants that the addon exports to TypeScript (native/napi/constants_napi.cc). Reading a
 * constant loads the addon.
 */
export interface NativeConstants {
  /**
   * Kinds of requests to the replica worker. `ahead` says that a reader has read a page that
   * `setTrigger` marked; no thread waits for a response. `begin` asks for the RESERVED lock of a
   * connection. `flush` asks the replica worker to upload every commit of this process.
   */
  readonly request: Numbers<'open' | 'page' | 'travel' | 'close' | 'call' | 'ahead' | 'begin' | 'commit' | 'flush'>
  /** States of a replica. */
  readonly state: Numbers<'opening' | 'live' | 'stale' | 'orphaned' | 'closed'>
  /** Where a commit must be stored before the connection's COMMIT succeeds. */
  readonly durability: Numbers<'default' | 'store' | 'local'>
  /** Return values of FrameMerger.step. */
  readonly merge: Numbers<'done' | 'outputFull' | 'needInput' | 'fault' | 'incomplete'>
  /** Messages for the faults of a merge, by fault number. */
  readonly mergeFaults: Readonly<Record<number, string>>
  /**
   * Return values of decodeFrames. `more`: all decoded frames were valid, and either the input
   * ended inside a frame or the output is full. `end`: the next bytes are the 6 zero bytes at the
   * end of the page block; these bytes were not consumed. Every other return value is a fault.
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
   * If a reader waits for a prefetched page, this number is added to the number of the prefetch
   * kind.
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
