#include "replica/background_thread.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include "os/thread.h"

namespace litestream {

namespace {

// All methods of BackgroundThread except Main run on the thread of the JavaScript environment.
// `mutex_` guards `waiting_` and `done_`.
class BackgroundThread {
 public:
  static BackgroundThread* Start(Napi::Env env, int* error_number) {
    std::unique_ptr<BackgroundThread> made(new BackgroundThread(env));
    *error_number = made->thread_.StartLowPriority(Main, made.get());
    made->begun_ = *error_number == 0;
    return made->begun_ ? made.release() : nullptr;
  }

  ~BackgroundThread() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopping_.store(true);
    }
    wake_.notify_one();
    if (begun_) thread_.Join();
    done_wake_.Abort();
  }

  void Add(Napi::Env env, std::unique_ptr<BackgroundJob> job) {
    // While a job is waiting, running or not settled, Ref keeps the event loop alive.
    if (unsettled_++ == 0) done_wake_.Ref(env);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      waiting_.push_back(std::move(job));
    }
    wake_.notify_one();
  }

 private:
  // The event loop calls OnDone, which settles the finished jobs. When the environment shuts down,
  // N-API calls OnDone with a null `env`, and the destructor of BackgroundThread frees the jobs.
  static void OnDone(Napi::Env env, Napi::Function, BackgroundThread* self, void*) {
    if (env == nullptr) return;
    std::vector<std::unique_ptr<BackgroundJob>> done;
    {
      std::lock_guard<std::mutex> lock(self->mutex_);
      done.swap(self->done_);
    }
    self->unsettled_ -= done.size();
    if (!done.empty() && self->unsettled_ == 0) self->done_wake_.Unref(env);
    for (auto& job : done) job->Settle(env);
  }
  using Wake = Napi::TypedThreadSafeFunction<BackgroundThread, void, OnDone>;

  explicit BackgroundThread(Napi::Env env) : done_wake_(Wake::New(env, "litestream background", 0, 1, this)) {
    done_wake_.Unref(env);
  }

  static void Main(void* argument) {
    auto* self = static_cast<BackgroundThread*>(argument);
    std::unique_lock<std::mutex> lock(self->mutex_);
    for (;;) {
      self->wake_.wait(lock, [&] { return self->stopping_.load() || !self->waiting_.empty(); });
      if (self->stopping_.load()) return;
      std::unique_ptr<BackgroundJob> job = std::move(self->waiting_.front());
      self->waiting_.pop_front();
      lock.unlock();
      job->Run(self->stopping_);
      lock.lock();
      self->done_.push_back(std::move(job));
      self->done_wake_.NonBlockingCall();
    }
  }

  Wake done_wake_;
  os::Thread thread_;
  bool begun_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<bool> stopping_{false};
  std::deque<std::unique_ptr<BackgroundJob>> waiting_;
  std::vector<std::unique_ptr<BackgroundJob>> done_;
  size_t unsettled_ = 0;  // environment's thread only
};

// The background thread of the JavaScript environment that runs on the current thread.
thread_local BackgroundThread* t_background = nullptr;

}  // namespace

int RunInBackground(Napi::Env env, std::unique_ptr<BackgroundJob>& job) {
  if (t_background == nullptr) {
    int error = 0;
    t_background = BackgroundThread::Start(env, &error);
    if (t_background == nullptr) return error;
    // Node.js runs cleanup hooks in reverse order of their registration. The background thread must
    // end before N-API cleans up the thread-safe function `done_wake_`. The cleanup hook that ends
    // the thread is therefore registered after `done_wake_` was created.
    env.AddCleanupHook([] {
      delete t_background;
      t_background = nullptr;
    });
  }
  t_background->Add(env, std::move(job));
  return 0;
}

}  // namespace litestream
