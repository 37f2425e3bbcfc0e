/** The clock function of the addon. Other code must call `monotonicMs` of src/util/monotonic.ts. */
export interface ClockNative {
  /**
   * Returns the milliseconds since an arbitrary moment. The moment is the same on all threads. See
   * native/clock.h.
   */
  monotonicMs(): number
}
