// Low-priority threads, and the conversion to UTC calendar time. thread_posix.cc and
// thread_windows.cc implement the functions of thread.h. Thread replaces std::thread, because
// std::thread needs exceptions to report that a thread could not be created, and the addon is built
// without exceptions.
#pragma once
#include <ctime>

namespace litestream {
namespace os {

class Thread {
 public:
  // Starts a thread that calls main(argument). If the operating system supports thread priorities,
  // the thread has a lower priority than the process. Returns 0 or an error number (see file.h).
  // StartLowPriority may be called only once for each Thread object. Join is allowed only after
  // StartLowPriority has succeeded.
  int StartLowPriority(void (*main)(void*), void* argument);
  void Join();

 private:
  void* handle_ = nullptr;
};

// Converts `seconds` since the epoch to UTC calendar time, like gmtime(). If the year does not fit
// into an int, returns false. Any thread may call UtcTime.
bool UtcTime(std::time_t seconds, std::tm* utc);

}  // namespace os
}  // namespace litestream
