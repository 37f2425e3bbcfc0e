// The clock for ages and deadlines that JavaScript and native code compare with each other: it only moves forward, whatever sets
// the wall clock, and counts the time that the machine sleeps (CLOCK_MONOTONIC of Linux does not).
#pragma once
#include <time.h>

#include <cstdint>

namespace litestream {

// Nanoseconds since an arbitrary moment, the same one on every thread. Any thread.
inline int64_t MonotonicNs() {
  timespec now{};
#ifdef CLOCK_BOOTTIME
  if (clock_gettime(CLOCK_BOOTTIME, &now) != 0)
#endif
    clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t(now.tv_sec) * 1000000000 + now.tv_nsec;
}

inline int64_t MonotonicMs() { return MonotonicNs() / 1000000; }

}  // namespace litestream
