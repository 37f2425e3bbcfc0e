/** Names whose numbers only the addon defines. */
type Numbers<Names extends string> = Readonly<Record<Names, number>>

/**
 * The constants that the addon shares with TypeScript (native/napi/constants_napi.cc). Reading one
 * loads the addon.
 */
export interface NativeConstants {
  /**
   * Kinds of requests to the replica worker. `ahead`: a reader reached a page that was marked by
   * `setTrigger`, and no thread waits for the answer; `begin`: a connection requests the RESERVED
   * lock; `flush`: requests that every commit of this process is uploaded.
   */
  readonly request: Numbers<'open' | 'page' | 'travel' | 'close' | 'call' | 'ahead' | 'begin' | 'commit' | 'flush'>
  /** States of a replica. */
  readonly state: Numbers<'opening' | 'live' | 'stale' | 'orphaned' | 'closed'>
  /** Where a connection's commit must be before it is acknowledged. */
  readonly durability: Numbers<'default' | 'store' | 'local'>
  /** Results of a step of FrameMerger. */
  readonly merge: Numbers<'done' | 'outputFull' | 'needInput' | 'fault' | 'incomplete'>
  /** Texts of the faults of a merge, by number. */
  readonly mergeFaults: Readonly<Record<number, string>>
  /**
   * Results of decodeFrames. `more`: all frames so far were valid, and the input ended inside a
   * frame, or the output is full; `end`: the next bytes are the 6 zero bytes that end the page
   * block, which are not consumed. Any other number is a fault.
   */
  readonly decode: Numbers<'more' | 'end'>
  /** Texts of the faults of a frame, by the result of decodeFrames. */
  readonly frameFaults: Readonly<Record<number, string>>
  /** Elements of the state of a page index that is read in pieces; `slots`: their number. */
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
  /** Faults of a page index; `frameTooLarge`: a page map cannot represent its position. */
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
  /** Pages per chunk of a page map. */
  readonly chunkPages: number
  /** Number of bits for the size of a frame in a chunk. */
  readonly sizeBits: number
  /** Maximum number of slots of a page cache. */
  readonly maxSlots: number
  /** Elements per frame in the argument of `fillSlots`. */
  readonly frameFields: number
  /** Added to the kind of prefetch of such a frame if a reader waits for its page. */
  readonly joined: number
  /** Kinds of prefetch; native code numbers them by position, beginning with 1. */
  readonly aheadKinds: readonly string[]
  /** The parameters of a URI that the environment can set, in the order in which it is read. */
  readonly readerParameters: readonly { readonly name: string; readonly needs: string | undefined }[]
}

/** The addon's constants. */
export interface ConstantsNative {
  readonly constants: NativeConstants
}
