// A low-priority thread for work that no reader waits for, such as filling a local copy. Work that
// no reader waits for must not take processor time from readers. Work that no reader waits for must
// not occupy libuv's few threads either, because the application's file and DNS operations need
// libuv's threads.
//
// Each JavaScript environment has at most one background thread. The first job starts the thread.
// When the environment is cleaned up, the running job is told to stop, the waiting jobs are
// dropped, and the thread is joined. The background thread runs jobs one after another, in the
// order of the RunInBackground calls.
#pragma once
#include <napi.h>

#include <atomic>
#include <memory>

namespace litestream {

class BackgroundJob {
 public:
  virtual ~BackgroundJob() = default;  // environment's thread
  // The background thread calls Run. Run must return soon after `stopping` is set. If Run was
  // stopped, Settle is not called.
  virtual void Run(const std::atomic<bool>& stopping) = 0;
  // After Run has returned, the event loop of the environment's thread calls Settle. If the
  // environment is torn down first, Settle is not called.
  virtual void Settle(Napi::Env env) = 0;
};

// Passes a job to the background thread. The caller must be on the environment's thread. Returns 0,
// or an error number if the thread could not be started. If RunInBackground returns an error
// number, the caller still owns the job.
int RunInBackground(Napi::Env env, std::unique_ptr<BackgroundJob>& job);

}  // namespace litestream
