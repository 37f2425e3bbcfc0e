// Requests from SQLite's threads to the worker thread's JavaScript, and their answers.
//
// A thread queues a Request, wakes the worker through a thread-safe function and sleeps on the
// request. The worker takes the queue, works, and completes each request by its id. Guarantee:
// every request completes: with an answer, at its deadline, or immediately when the worker exits. A
// request from the worker's own thread is rejected immediately, because it would wait for itself.
//
// Threads: `mutex_` guards every member. Attach, Take, the Complete functions and Detach are called
// only on the worker thread.
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
  kWorkerGone = 3,    // no worker exists, or it exited while the request waited
  kWorkerThread = 4,  // requested on the worker's own thread
  kInterrupted = 5,   // interrupted through sqlite3_interrupt()
};

// Where a commit must be before it is acknowledged: by the replica's setting, in the store, or in
// the local buffer if the replica has one.
enum class Durability : uint8_t { kDefault = 0, kStore = 1, kLocal = 2 };

struct Request {
  RequestKind kind = RequestKind::kPage;
  std::shared_ptr<Replica> replica;
  std::shared_ptr<Reader> reader;
  uint32_t view = 0;
  uint32_t pgno = 0;
  uint32_t index_leaf = 0;  // the last index leaf that the connection read; 0 = none
  std::string text;
  // The requester sleeps while the worker writes to these.
  uint8_t* dst = nullptr;
  uint32_t dst_offset = 0, dst_size = 0;
  // kCommit: the written pages; they live as long as the worker needs them
  std::shared_ptr<const CommitSource> pages;
  Durability durability = Durability::kDefault;  // kCommit: when the commit counts as done

  // The answer, guarded by the bridge's mutex.
  uint32_t id = 0;
  bool done = false;
  Outcome outcome = Outcome::kOk;
  std::string code, message;
  // kCommit: the view of the new state, pinned for the requester's reader
  View* committed = nullptr;
  std::condition_variable wake;
};

class Bridge {
 public:
  // The process has one bridge; workers attach to it and detach.
  static Bridge& Get();

  // --- any thread --- Waits for the answer, at most `timeout_ms`. `interrupted`, if given, is
  // called several times per second; true ends the wait.
  Outcome Ask(const std::shared_ptr<Request>& request, int64_t timeout_ms, const std::function<bool()>& interrupted = nullptr);
  // Queues a request without waiting; drops it if no worker exists and none is being started.
  void Tell(const std::shared_ptr<Request>& request);
  bool alive();
  // Announces a worker thread that is being started: until it attaches, requests wait for it
  // instead of failing. Returns a ticket for the worker, or 0 if the process already has a worker,
  // running or announced. The announcement expires after kStartMs.
  uint32_t Expect();
  // The worker with this ticket will not attach: drops the requests queued for it and increments
  // the epoch.
  void Unexpect(uint32_t ticket);
  // The number of workers that have exited or did not attach.
  uint32_t epoch();

  // --- worker thread ---
  bool Attach(Napi::Env env, Napi::Function on_requests);
  void Detach();
  std::vector<std::shared_ptr<Request>> Take();
  void Complete(uint32_t id, Outcome outcome, const std::string& code, const std::string& message);
  // Moves the requesting connection to a view of its own, then completes the request. No effect if
  // the connection has stopped waiting or the id is not a travel request. Returns false, and fails
  // the request, if the replica has no such view.
  bool CompleteTravel(uint32_t id, uint32_t view);
  // The commit has become this view: pins it for the requesting connection in place of its previous
  // view, then completes the request. No effect if the connection has stopped waiting or the id is
  // not a commit request.
  void CompleteCommit(uint32_t id, uint32_t view);
  // A request that was taken and not completed yet; null otherwise.
  std::shared_ptr<Request> Pending(uint32_t id);
  // Copies the requested part of a page of `size` bytes to the requester, then completes the
  // request. Returns false, and fails the request, if the page is too short.
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
  bool woken_ = false;  // a wake-up is pending: no second one is needed
  uint32_t next_id_ = 1;
  std::deque<std::shared_ptr<Request>> queue_;
  std::unordered_map<uint32_t, std::shared_ptr<Request>> pending_;
};

// The replicas of the process by key and by id.
class Registry {
 public:
  static Registry& Get();
  // The replica of this key, with one more reference. `created`: no reference existed, so the
  // caller must open the replica.
  std::shared_ptr<Replica> Acquire(const std::string& key, bool* created);
  std::shared_ptr<Replica> Find(uint32_t id);
  // Adds a reference to a registered replica.
  std::shared_ptr<Replica> Reference(uint32_t id);
  // Removes a reference. If no reference is left, removes the replica from the registry, asks the
  // worker to close it, and returns true.
  bool Release(const std::shared_ptr<Replica>& replica);
  std::vector<std::shared_ptr<Replica>> All();

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<Replica>> by_key_;
  uint32_t next_id_ = 1;
};

}  // namespace litestream
