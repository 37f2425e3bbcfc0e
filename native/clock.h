// The clock with which JavaScript and native code measure ages and deadlines. MonotonicNs never
// goes back when the wall clock is set. MonotonicNs also counts the time during which the machine
// sleeps. CLOCK_MONOTONIC of Linux does not count the time of sleep.
#pragma once
#include <cstdint>

#ifdef _WIN32
#include <chrono>
#else
#include <time.h>
#endif

namespace litestream {

// Returns the nanoseconds since an arbitrary moment. All threads have the same moment.
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
