// Passes requests from the threads that use SQLite connections to the JavaScript of the worker
// thread, and passes the results back to these threads.
//
// The requester (a thread that uses a connection) queues a Request, wakes the worker through a
// thread-safe function, and sleeps until the request ends. The worker takes the queued requests,
// and passes a request's id to the function that completes the request. A request ends when the
// worker completes the request, when the deadline passes, or when the worker exits. If the worker's
// own thread calls Ask, Ask immediately returns kWorkerThread, because this thread would wait for
// itself.
//
// `mutex_` guards every member of the bridge. Attach, Take, the Complete functions and Detach are
// called only on the worker thread.
#pragma once
#include <napi.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "replica/commit_source.h"
#include "replica/replica.h"

namespace litestream {

enum class RequestKind : int { kOpen = 0, kPage = 1, kTravel = 2, kClose = 3, kCall = 4, kAhead = 5, kBegin = 6, kCommit = 7, kFlush = 8 };

enum class Outcome : int {
  kOk = 0,
  kFailed = 1,        // the worker has set `code` and `message`
  kTimeout = 2,       // the worker did not complete the request before the deadline
  kWorkerGone = 3,    // no worker exists, or the worker exited while the request waited
  kWorkerThread = 4,  // the worker's own thread has called Ask
  kInterrupted = 5,   // sqlite3_interrupt() was called
};

// Where a commit must be stored before SQLite reports success. kStore is the store, kLocal is the
// local write buffer if the replica has such a buffer, and kDefault is the place that the replica's
// options select.
enum class Durability : uint8_t { kDefault = 0, kStore = 1, kLocal = 2 };

struct Request {
  RequestKind kind = RequestKind::kPage;
  std::shared_ptr<Replica> replica;
  std::shared_ptr<Reader> reader;
  uint32_t view = 0;
  uint32_t pgno = 0;
  uint32_t index_leaf = 0;  // the last index leaf that the connection read; 0 = none
  std::string text;
  // For a kPage request, the requester's buffer. While the requester sleeps, the worker copies the
  // bytes [dst_offset, dst_offset + dst_size) of the page to `dst`.
  uint8_t* dst = nullptr;
  uint32_t dst_offset = 0, dst_size = 0;
  // The pages of a kCommit request. The shared pointer keeps the pages in memory as long as the
  // worker needs them.
  std::shared_ptr<const CommitSource> pages;
  Durability durability = Durability::kDefault;  // for a kCommit request

  // The bridge's mutex guards the following fields.
  uint32_t id = 0;
  bool done = false;
  Outcome outcome = Outcome::kOk;
  std::string code, message;
  // For a completed kCommit request, the view after the commit. The requester's Reader pins the
  // view `committed`.
  View* committed = nullptr;
  std::condition_variable wake;
};

class Bridge {
 public:
  // Returns the only bridge of the process.
  static Bridge& Get();

  // Any thread may call the following methods.
  //
  // Queues a request and waits at most `timeout_ms` milliseconds until the request ends. If
  // `interrupted` is not null, Ask calls `interrupted` every kInterruptMs milliseconds. If
  // `interrupted` returns true, Ask stops waiting and returns kInterrupted.
  Outcome Ask(const std::shared_ptr<Request>& request, int64_t timeout_ms, const std::function<bool()>& interrupted = nullptr);
  // Queues a request and returns immediately. If no worker is running or announced, drops the
  // request.
  void Tell(const std::shared_ptr<Request>& request);
  bool alive();
  // Announces a worker thread that is being started. While a worker is announced, requests wait for
  // the worker instead of failing. Returns the ticket of the announcement. If the process already
  // has a running or announced worker, returns 0. If the worker does not call Attach within
  // kStartMs milliseconds, another call of Expect may replace the announcement.
  uint32_t Expect();
  // Withdraws the announcement with the ticket `ticket`, because the announced worker will not
  // attach. Drops the requests that are queued for the announced worker and increments the epoch.
  void Unexpect(uint32_t ticket);
  // Returns the epoch, which is the number of workers that have exited or did not attach.
  uint32_t epoch();

  // Only the worker thread may call the following methods.
  bool Attach(Napi::Env env, Napi::Function on_requests);
  void Detach();
  std::vector<std::shared_ptr<Request>> Take();
  void Complete(uint32_t id, Outcome outcome, const std::string& code, const std::string& message);
  // Completes the travel request `id`, after which the requesting connection reads the view with
  // the id `view`. If the connection has stopped waiting, CompleteTravel has no effect. If the
  // request is not a travel request, or if the replica has no view with this id, fails the request
  // and returns false.
  bool CompleteTravel(uint32_t id, uint32_t view);
  // Completes the commit request `id`. `view` is the id of the view after the commit.
  // CompleteCommit first pins `view` for the requesting connection in place of the connection's
  // previous view, and then completes the request. If the connection has stopped waiting, or if the
  // request is not a commit request, CompleteCommit has no effect.
  void CompleteCommit(uint32_t id, uint32_t view);
  // Returns the request with the id `id`. If the request was completed, or if its requester has
  // stopped waiting, returns null.
  std::shared_ptr<Request> Pending(uint32_t id);
  // Completes the page request `id`. `page` is the decoded page and has `size` bytes. CompletePage
  // copies the requested part of the page to the requester's buffer, and then completes the
  // request. If the page is too short for the requested part, fails the request and returns false.
  bool CompletePage(uint32_t id, const uint8_t* page, size_t size);

 private:
  Bridge() = default;
  void Finish(const std::shared_ptr<Request>& request, Outcome outcome, const std::string& code, const std::string& message);
  void Enqueue(const std::shared_ptr<Request>& request);
  void Wake();

  std::mutex mutex_;
  std::condition_variable attached_;
  bool alive_ = false;
  uint32_t expected_ = 0;  // the ticket of the worker that is being started
  uint32_t next_ticket_ = 1;
  uint32_t epoch_ = 0;
  std::chrono::steady_clock::time_point expected_since_;
  std::thread::id worker_;
  Napi::ThreadSafeFunction wake_;
  bool woken_ = false;  // a wake-up is pending, so no second wake-up is needed
  uint32_t next_id_ = 1;
  std::deque<std::shared_ptr<Request>> queue_;
  std::unordered_map<uint32_t, std::shared_ptr<Request>> pending_;
};

// Holds the Replica objects of the process, and finds them by key or by id.
class Registry {
 public:
  static Registry& Get();
  // Returns the replica with the key `key` (see ReplicaKey), and increments the replica's reference
  // count. If the registry has no replica with this key, adds a replica. Sets *created to whether a
  // replica was added.
  std::shared_ptr<Replica> Acquire(const std::string& key, bool* created);
  std::shared_ptr<Replica> Find(uint32_t id);
  // Returns the replica with the id `id`, and increments the replica's reference count. If the
  // registry has no replica with this id, returns null.
  std::shared_ptr<Replica> Reference(uint32_t id);
  // Decrements the reference count of `replica`. If the reference count becomes 0, removes the
  // replica from the registry, asks the worker to close the replica, and returns true.
  bool Release(const std::shared_ptr<Replica>& replica);
  std::vector<std::shared_ptr<Replica>> All();

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<Replica>> by_key_;
  uint32_t next_id_ = 1;
};

}  // namespace litestream
