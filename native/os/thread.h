// Threads of low priority, and the calendar: thread_posix.cc and thread_windows.cc. std::thread cannot report that the system
// refuses a thread where exceptions are off.
#pragma once
#include <ctime>

namespace litestream {
namespace os {

class Thread {
 public:
  // Starts a thread with a priority below the process's, where the system has such. Returns 0 or an error number (see file.h).
  // Called once; Join is called after it has succeeded.
  int StartLowPriority(void (*main)(void*), void* argument);
  void Join();

 private:
  void* handle_ = nullptr;
};

// gmtime() that any thread may call. False for a year that an int cannot hold.
bool UtcTime(std::time_t seconds, std::tm* utc);

}  // namespace os
}  // namespace litestream
