// Passes requests from the threads that run SQLite to the JavaScript of the worker thread, and
// passes the results back.
//
// A thread queues a Request, wakes the worker through a thread-safe function and sleeps on the
// request. The worker takes the queued requests and completes each request by the request's id. A
// request ends in one of three ways: the worker completes the request, the deadline passes, or the
// worker exits. Ask immediately rejects a request from the worker's own thread, because this thread
// would wait for itself.
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
  kFailed = 1,        // the worker reports code and message
  kTimeout = 2,       // no answer before the deadline
  kWorkerGone = 3,    // no worker exists, or the worker exited while the request waited
  kWorkerThread = 4,  // requested on the worker's own thread
  kInterrupted = 5,   // interrupted through sqlite3_interrupt()
};

// Where a commit must be stored before SQLite reports success. kDefault selects the setting of the
// replica, and kStore selects the store. kLocal selects the local write buffer, if the replica has
// one.
enum class Durability : uint8_t { kDefault = 0, kStore = 1, kLocal = 2 };

struct Request {
  RequestKind kind = RequestKind::kPage;
  std::shared_ptr<Replica> replica;
  std::shared_ptr<Reader> reader;
  uint32_t view = 0;
  uint32_t pgno = 0;
  uint32_t index_leaf = 0;  // the last index leaf that the connection read; 0 = none
  std::string text;
  // The worker writes part of a page to these buffers while the requester sleeps.
  uint8_t* dst = nullptr;
  uint32_t dst_offset = 0, dst_size = 0;
  // The pages of a kCommit request. The shared pointer keeps the pages in memory as long as the
  // worker needs them.
  std::shared_ptr<const CommitSource> pages;
  Durability durability = Durability::kDefault;  // kCommit: when the commit counts as done

  // The bridge's mutex guards the fields that the worker sets.
  uint32_t id = 0;
  bool done = false;
  Outcome outcome = Outcome::kOk;
  std::string code, message;
  // The view after the commit of a kCommit request. The view is pinned for the requester's Reader.
  View* committed = nullptr;
  std::condition_variable wake;
};

class Bridge {
 public:
  // Returns the only bridge of the process.
  static Bridge& Get();

  // --- any thread --- Queues a request and waits at most `timeout_ms` milliseconds for its
  // completion. If `interrupted` is set, Ask calls `interrupted` every kInterruptMs. If
  // `interrupted` returns true, the wait ends.
  Outcome Ask(const std::shared_ptr<Request>& request, int64_t timeout_ms, const std::function<bool()>& interrupted = nullptr);
  // Queues a request and returns immediately. If no worker exists and no worker is being started,
  // drops the request.
  void Tell(const std::shared_ptr<Request>& request);
  bool alive();
  // Announces a worker thread that is being started. While a worker is announced, requests wait for
  // the worker and do not fail. Returns a ticket for the worker. If the process already has a
  // running or announced worker, returns 0. After kStartMs without Attach, the announcement
  // expires.
  uint32_t Expect();
  // Withdraws the announcement of a worker, because the worker will not attach. Drops the requests
  // that are queued for the worker and increments the epoch.
  void Unexpect(uint32_t ticket);
  // Returns the epoch, which is the number of workers that have exited or did not attach.
  uint32_t epoch();

  // --- worker thread ---
  bool Attach(Napi::Env env, Napi::Function on_requests);
  void Detach();
  std::vector<std::shared_ptr<Request>> Take();
  void Complete(uint32_t id, Outcome outcome, const std::string& code, const std::string& message);
  // Moves the requesting connection to a view for time travel, then completes the request.
  // If the connection has stopped waiting, or the id is not a travel request, CompleteTravel has no
  // effect. If the replica has no view with the id `view`, fails the request and returns false.
  bool CompleteTravel(uint32_t id, uint32_t view);
  // Pins `view`, the view after the commit, for the requesting connection instead of the
  // connection's previous view. After it has pinned the view, completes the request. If the
  // connection has stopped waiting, or the id is not a commit request, CompleteCommit has no
  // effect.
  void CompleteCommit(uint32_t id, uint32_t view);
  // Returns the request with this id. If the worker has not taken the request, or has already
  // completed the request, returns null.
  std::shared_ptr<Request> Pending(uint32_t id);
  // A page has `size` bytes. Copies the requested part of the page to the requester, then completes
  // the request. If the page is too short, fails the request and returns false.
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

// Holds the replicas of the process by key and by id.
class Registry {
 public:
  static Registry& Get();
  // Returns the replica with this key, and increments the replica's reference count. Sets *created
  // to true if the registry had no replica with this key. If *created is true, the caller must open
  // the replica.
  std::shared_ptr<Replica> Acquire(const std::string& key, bool* created);
  std::shared_ptr<Replica> Find(uint32_t id);
  // Returns the registered replica with this id, and increments the replica's reference count.
  std::shared_ptr<Replica> Reference(uint32_t id);
  // Removes a reference. If the reference count becomes 0, removes the replica from the registry,
  // asks the worker to close the replica, and returns true.
  bool Release(const std::shared_ptr<Replica>& replica);
  std::vector<std::shared_ptr<Replica>> All();

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<Replica>> by_key_;
  uint32_t next_id_ = 1;
};

}  // namespace litestream
