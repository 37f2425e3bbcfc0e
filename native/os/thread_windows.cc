#ifdef _WIN32
#include "os/thread.h"

#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
#include <process.h>

#include <memory>

namespace litestream {
namespace os {
namespace {

constexpr int kNoThread = 4088;  // UV_EAGAIN without its sign

struct Start {
  void (*main)(void*);
  void* argument;
};

unsigned __stdcall Main(void* argument) {
  const std::unique_ptr<Start> start(static_cast<Start*>(argument));
  SetThreadPriority(GetCurrentThread(), THREAD_PRIORITY_BELOW_NORMAL);
  start->main(start->argument);
  return 0;
}

}  // namespace

int Thread::StartLowPriority(void (*main)(void*), void* argument) {
  auto start = std::make_unique<Start>(Start{main, argument});
  const uintptr_t thread = _beginthreadex(nullptr, 0, Main, start.get(), 0, nullptr);
  if (thread == 0) return kNoThread;
  start.release();
  handle_ = reinterpret_cast<void*>(thread);
  return 0;
}

void Thread::Join() {
  WaitForSingleObject(handle_, INFINITE);
  CloseHandle(handle_);
  handle_ = nullptr;
}

bool UtcTime(std::time_t seconds, std::tm* utc) { return gmtime_s(utc, &seconds) == 0; }

}  // namespace os
}  // namespace litestream
#endif
