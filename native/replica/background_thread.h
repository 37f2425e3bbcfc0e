// A low-priority thread for work that no reader waits for. Filling a local copy must not take the
// processor from readers, nor libuv's few threads from the application's file and DNS operations.
//
// One thread per environment, started by its first job and joined by the environment's clean-up,
// which signals the running job to stop and drops waiting jobs. Jobs run one after another, in
// order.
#pragma once
#include <napi.h>

#include <atomic>
#include <memory>

namespace litestream {

class BackgroundJob {
 public:
  virtual ~BackgroundJob() = default;  // environment's thread
  // Called on the background thread. Must return soon after `stopping` is set; Settle is then not
  // called.
  virtual void Run(const std::atomic<bool>& stopping) = 0;
  // Called on the environment's thread, from its event loop, after Run has returned; not called if
  // the environment is torn down first.
  virtual void Settle(Napi::Env env) = 0;
};

// Called on the environment's thread. Returns 0, or the errno with which no thread could be
// started; the caller then keeps the job.
int RunInBackground(Napi::Env env, std::unique_ptr<BackgroundJob>& job);

}  // namespace litestream
