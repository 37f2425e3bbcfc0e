#ifndef _WIN32
#include "os/thread.h"

#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <memory>

#ifdef __APPLE__
#include <pthread/qos.h>
#endif

namespace litestream {
namespace os {
namespace {

struct Start {
  void (*main)(void*);
  void* argument;
};

// Lowers the priority of the calling thread. The priority of the process does not change. An
// unprivileged process may raise the nice value of its threads.
void LowerPriority() {
#if defined(__linux__)
  constexpr int kNicer = 10;
  pthread_setname_np(pthread_self(), "ls-background");
  setpriority(PRIO_PROCESS, 0, std::min(19, getpriority(PRIO_PROCESS, 0) + kNicer));
#elif defined(__APPLE__)
  pthread_setname_np("ls-background");
  pthread_set_qos_class_self_np(QOS_CLASS_UTILITY, 0);
#endif
}

void* Main(void* argument) {
  const std::unique_ptr<Start> start(static_cast<Start*>(argument));
  LowerPriority();
  start->main(start->argument);
  return nullptr;
}

}  // namespace

int Thread::StartLowPriority(void (*main)(void*), void* argument) {
  auto start = std::make_unique<Start>(Start{main, argument});
  auto thread = std::make_unique<pthread_t>();
  const int error = pthread_create(thread.get(), nullptr, Main, start.get());
  if (error != 0) return error;
  start.release();
  handle_ = thread.release();
  return 0;
}

void Thread::Join() {
  const std::unique_ptr<pthread_t> thread(static_cast<pthread_t*>(handle_));
  handle_ = nullptr;
  pthread_join(*thread, nullptr);
}

bool UtcTime(std::time_t seconds, std::tm* utc) { return gmtime_r(&seconds, utc) != nullptr; }

}  // namespace os
}  // namespace litestream
#endif
