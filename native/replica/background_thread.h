// A low-priority thread for work for which no reader waits, such as filling a local copy. The
// background thread must not take processor time from readers. The background work does not run on
// libuv's few threads, because the application's file and DNS operations need these threads.
//
// Each JavaScript environment has at most one background thread. The first job starts the
// background thread. When the environment is cleaned up, `stopping` is set for the running job, the
// waiting jobs are dropped, and the background thread is joined. The background thread runs jobs
// one after another, in the order of the RunInBackground calls.
#pragma once
#include <napi.h>

#include <atomic>
#include <memory>

namespace litestream {

class BackgroundJob {
 public:
  virtual ~BackgroundJob() = default;  // environment's thread
  // The background thread calls Run. When `stopping` becomes true, Run must return soon, and Settle
  // is not called.
  virtual void Run(const std::atomic<bool>& stopping) = 0;
  // After Run has returned, the event loop calls Settle on the environment's thread. If the
  // environment is cleaned up before the event loop can call Settle, Settle is not called.
  virtual void Settle(Napi::Env env) = 0;
};

// Passes `job` to the background thread of the environment `env`. Only the environment's thread may
// call RunInBackground. Returns 0, or an error number if the background thread could not be
// started. If the result is 0, the background thread owns the job. If the result is an error
// number, the caller still owns the job.
int RunInBackground(Napi::Env env, std::unique_ptr<BackgroundJob>& job);

}  // namespace litestream
