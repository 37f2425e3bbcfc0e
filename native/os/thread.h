// Low-priority threads, and UTC calendar time: thread_posix.cc and thread_windows.cc. std::thread
// cannot report a failed thread creation in a build without exceptions.
#pragma once
#include <ctime>

namespace litestream {
namespace os {

class Thread {
 public:
  // Starts a thread with a priority below the process's, if the system supports that. Returns 0 or
  // an error number (see file.h). Called once per thread; call Join only after it has succeeded.
  int StartLowPriority(void (*main)(void*), void* argument);
  void Join();

 private:
  void* handle_ = nullptr;
};

// A thread-safe gmtime(). False for a year that does not fit into an int.
bool UtcTime(std::time_t seconds, std::tm* utc);

}  // namespace os
}  // namespace litestream
