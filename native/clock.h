// JavaScript and native code measure ages and deadlines with the clock MonotonicNs. MonotonicNs
// never goes back, even if the wall clock is set. MonotonicNs also counts the time during which the
// machine sleeps. On Linux, CLOCK_MONOTONIC does not count the time of sleep, so MonotonicNs reads
// CLOCK_BOOTTIME.
#pragma once
#include <cstdint>

#ifdef _WIN32
#include <chrono>
#else
#include <time.h>
#endif

namespace litestream {

// Returns the nanoseconds since an arbitrary moment, which is the same moment for all threads.
inline int64_t MonotonicNs() {
#ifdef _WIN32
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
#else
  timespec now{};
#ifdef CLOCK_BOOTTIME
  if (clock_gettime(CLOCK_BOOTTIME, &now) != 0)
#endif
    clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t(now.tv_sec) * 1000000000 + now.tv_nsec;
#endif
}

inline int64_t MonotonicMs() { return MonotonicNs() / 1000000; }

}  // namespace litestream
