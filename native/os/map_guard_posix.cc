#ifndef _WIN32
#include "os/map_guard.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mutex>

namespace litestream {
namespace os {

namespace {

// An element of the list of guards. No element is ever removed or freed, so that the signal handler
// can walk the list at any moment. In an unused element, `begin` is null.
struct Guard {
  std::atomic<const uint8_t*> begin{nullptr};
  std::atomic<size_t> size{0};
  std::atomic<std::atomic<bool>*> hurt{nullptr};
  Guard* next = nullptr;
};
std::atomic<Guard*> g_guards{nullptr};
std::mutex g_mutex;  // guards changes of the list
struct sigaction g_previous;
uintptr_t g_page_size;

void PassOn(int signal, siginfo_t* info, void* context) {
  if (g_previous.sa_flags & SA_SIGINFO) return g_previous.sa_sigaction(signal, info, context);
  if (g_previous.sa_handler != SIG_DFL && g_previous.sa_handler != SIG_IGN) return g_previous.sa_handler(signal);
  // PassOn installs the default handler of SIGBUS. After OnBusError returns, the faulting
  // instruction runs again, and the default handler of SIGBUS ends the process.
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  sigaction(signal, &standard, nullptr);
  // If a process has sent the SIGBUS with kill(), no instruction will fault again, so PassOn raises
  // the signal.
  if (info->si_code <= 0) raise(signal);
}

// OnBusError calls only functions that are safe in a signal handler. POSIX does not list mmap as
// safe in a signal handler, but mmap is a plain system call on every supported system.
void OnBusError(int signal, siginfo_t* info, void* context) {
  const auto* at = static_cast<const uint8_t*>(info->si_addr);
  for (Guard* guard = g_guards.load(std::memory_order_acquire); guard != nullptr; guard = guard->next) {
    const uint8_t* begin = guard->begin.load(std::memory_order_acquire);
    if (begin == nullptr || at < begin || size_t(at - begin) >= guard->size.load(std::memory_order_relaxed)) continue;
    guard->hurt.load(std::memory_order_relaxed)->store(true, std::memory_order_seq_cst);
    const int error = errno;
    void* page = reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(at) & ~(g_page_size - 1));
    void* zeros = mmap(page, g_page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    errno = error;
    if (zeros != MAP_FAILED) return;
    break;
  }
  PassOn(signal, info, context);
}

void Install() {
  g_page_size = uintptr_t(sysconf(_SC_PAGESIZE));
  struct sigaction action = {};
  action.sa_sigaction = OnBusError;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, &g_previous);
}

}  // namespace

void GuardMap(const Map& map, std::atomic<bool>* hurt) {
  static std::once_flag installed;
  std::call_once(installed, Install);
  std::lock_guard<std::mutex> lock(g_mutex);
  Guard* guard = g_guards.load(std::memory_order_relaxed);
  while (guard != nullptr && guard->begin.load(std::memory_order_relaxed) != nullptr) guard = guard->next;
  const bool is_new = guard == nullptr;
  if (is_new) guard = new Guard();
  guard->hurt.store(hurt, std::memory_order_relaxed);
  guard->size.store(map.size, std::memory_order_relaxed);
  guard->begin.store(map.data, std::memory_order_release);
  if (!is_new) return;
  guard->next = g_guards.load(std::memory_order_relaxed);
  g_guards.store(guard, std::memory_order_release);
}

void ReleaseMap(const Map& map) {
  std::lock_guard<std::mutex> lock(g_mutex);
  for (Guard* guard = g_guards.load(std::memory_order_relaxed); guard != nullptr; guard = guard->next) {
    if (guard->begin.load(std::memory_order_relaxed) == map.data) guard->begin.store(nullptr, std::memory_order_release);
  }
}

}  // namespace os
}  // namespace litestream
#endif
