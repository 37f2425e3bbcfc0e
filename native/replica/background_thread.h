// A low-priority thread for work that no reader waits for, such as filling a local copy. Filling a
// local copy must not take processor time from readers, and must not occupy libuv's few threads,
// which the application's file and DNS operations need.
//
// Each JavaScript environment has at most one background thread. The first job starts the thread.
// The clean-up of the environment signals the running job to stop, drops waiting jobs and joins the
// thread. Jobs run one after another, in the order of RunInBackground calls.
#pragma once
#include <napi.h>

#include <atomic>
#include <memory>

namespace litestream {

class BackgroundJob {
 public:
  virtual ~BackgroundJob() = default;  // environment's thread
  // The background thread calls Run. Run must return soon after `stopping` is set. Settle is not
  // called for a job whose Run was stopped.
  virtual void Run(const std::atomic<bool>& stopping) = 0;
  // The event loop of the environment's thread calls Settle after Run has returned. Settle is not
  // called if the environment is torn down first.
  virtual void Settle(Napi::Env env) = 0;
};

// Passes a job to the background thread. The caller must be on the environment's thread. Returns 0,
// or an errno if the thread could not be started. If RunInBackground returns an errno, the caller
// still owns the job.
int RunInBackground(Napi::Env env, std::unique_ptr<BackgroundJob>& job);

}  // namespace litestream
