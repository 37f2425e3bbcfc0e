// Low-priority threads, and UTC calendar time. thread_posix.cc and thread_windows.cc implement the
// functions of thread.h. std::thread is not used, because in a build without exceptions std::thread
// cannot report that the creation of a thread failed.
#pragma once
#include <ctime>

namespace litestream {
namespace os {

class Thread {
 public:
  // Starts a thread. If the operating system supports thread priorities, the thread has a lower
  // priority than the process. Returns 0 or an error number (see file.h). For each Thread object,
  // the caller may call StartLowPriority once. Join is allowed only after StartLowPriority has
  // succeeded.
  int StartLowPriority(void (*main)(void*), void* argument);
  void Join();

 private:
  void* handle_ = nullptr;
};

// Converts seconds since the epoch to UTC calendar time like gmtime(). Any thread may call UtcTime.
// If the year does not fit into an int, returns false.
bool UtcTime(std::time_t seconds, std::tm* utc);

}  // namespace os
}  // namespace litestream
