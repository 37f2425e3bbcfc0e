/** The addon's clock. Call it through `monotonicMs` of src/util/monotonic.ts. */
export interface ClockNative {
  /**
   * Milliseconds since an arbitrary moment, which is the same on every thread; see native/clock.h.
   */
  monotonicMs(): number
}
