// A thread of low priority for what nobody waits for: filling a local copy must neither take the processor from who reads, nor
// libuv's few threads from the application's files and name look-ups.
//
// One thread per environment that asks for it, begun with the first job and joined by the environment's clean-up: a job in hand is
// told to stop, jobs that wait are dropped. Jobs run one after another, in order.
#pragma once
#include <napi.h>

#include <atomic>
#include <memory>

namespace litestream {

class BackgroundJob {
 public:
  virtual ~BackgroundJob() = default;  // the environment's thread
  // Background thread. To return soon once `stopping` is set; what it did then is settled no more.
  virtual void Run(const std::atomic<bool>& stopping) = 0;
  // The environment's thread, in its event loop, after Run.
  virtual void Settle(Napi::Env env) = 0;
};

// The environment's thread. Returns 0, or the errno for which there is no thread; the job then still belongs to the caller.
int RunInBackground(Napi::Env env, std::unique_ptr<BackgroundJob>& job);

}  // namespace litestream
