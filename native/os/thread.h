// Low-priority threads, and UTC calendar time. thread_posix.cc and thread_windows.cc implement the
// functions of thread.h. std::thread is not used, because it cannot report a failed thread creation
// in a build without exceptions.
#pragma once
#include <ctime>

namespace litestream {
namespace os {

class Thread {
 public:
  // Starts a thread with a lower priority than the process, if the operating system supports thread
  // priorities. Returns 0 or an error number (see file.h). The caller may call StartLowPriority
  // once per Thread object, and Join only after a successful StartLowPriority.
  int StartLowPriority(void (*main)(void*), void* argument);
  void Join();

 private:
  void* handle_ = nullptr;
};

// Converts seconds since the epoch to UTC calendar time like gmtime(), and is thread-safe. Returns
// false for a year that does not fit into an int.
bool UtcTime(std::time_t seconds, std::tm* utc);

}  // namespace os
}  // namespace litestream
