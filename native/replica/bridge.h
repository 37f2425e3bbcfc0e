// Requests from SQLite's threads to the worker thread's JavaScript, and their answers.
//
// A thread that needs something queues a Request, wakes the worker through a thread-safe function and sleeps on the request. The
// worker takes the queue, works, and completes each request by its id. Guarantees: a request ends by an answer, by its deadline,
// or at once when the worker goes; it is refused at once on the worker's own thread, which would wait for itself.
//
// Threads: `mutex_` guards everything here. Attach, Take, the Complete family and Detach are the worker thread's.
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
  kFailed = 1,        // the worker says why: code and message
  kTimeout = 2,       // no answer in time
  kWorkerGone = 3,    // no worker, or it went while the request waited
  kWorkerThread = 4,  // asked on the worker's own thread
  kInterrupted = 5,   // by the asker's own SQLite
};

// What a commit waits for: the replica's own setting, the store, or the local buffer where there is one.
enum class Durability : uint8_t { kDefault = 0, kStore = 1, kLocal = 2 };

struct Request {
  RequestKind kind = RequestKind::kPage;
  std::shared_ptr<Replica> replica;
  std::shared_ptr<Reader> reader;
  uint32_t view = 0;
  uint32_t pgno = 0;
  uint32_t index_leaf = 0;  // the last index leaf that the connection read; 0 = none
  std::string text;
  // The asker sleeps while these are written to.
  uint8_t* dst = nullptr;
  uint32_t dst_offset = 0, dst_size = 0;
  std::shared_ptr<const CommitSource> pages;  // kCommit: what the asker wrote; it lives as long as the worker needs it
  Durability durability = Durability::kDefault;  // kCommit: what the answer waits for

  // The answer, guarded by the bridge's mutex.
  uint32_t id = 0;
  bool done = false;
  Outcome outcome = Outcome::kOk;
  std::string code, message;
  View* committed = nullptr;  // kCommit: the view of the new state, pinned for the asker's reader
  std::condition_variable wake;
};

class Bridge {
 public:
  // The process has one bridge; its worker comes and goes.
  static Bridge& Get();

  // --- any thread ---
  // Waits for the answer, at most `timeout_ms`; `interrupted`, if given, is looked at several times a second and ends the wait.
  Outcome Ask(const std::shared_ptr<Request>& request, int64_t timeout_ms, const std::function<bool()>& interrupted = nullptr);
  // Queues without waiting; dropped when there is no worker and none is expected.
  void Tell(const std::shared_ptr<Request>& request);
  bool alive();
  // A worker thread is being started: until it attaches, requests wait for it rather than fail.
  // Returns a ticket for the worker, 0 if there is, or will be, one. A worker that does not come in time is expected no more.
  uint32_t Expect();
  // The worker with this ticket will not come: what was queued for it is dropped, and the epoch tells of that.
  void Unexpect(uint32_t ticket);
  // How many workers have gone, or did not come.
  uint32_t epoch();

  // --- worker thread ---
  bool Attach(Napi::Env env, Napi::Function on_requests);
  void Detach();
  std::vector<std::shared_ptr<Request>> Take();
  void Complete(uint32_t id, Outcome outcome, const std::string& code, const std::string& message);
  // Sends the asking connection to a view of its own, then completes. Nothing happens if it has stopped waiting, or is no such
  // request. False, and the request fails, if the replica has no such view.
  bool CompleteTravel(uint32_t id, uint32_t view);
  // The commit has become this view: pins it for the asking connection in place of the one before, then completes. Nothing happens
  // if the connection has stopped waiting, or is no such request.
  void CompleteCommit(uint32_t id, uint32_t view);
  // A request that was taken and is not completed; null otherwise.
  std::shared_ptr<Request> Pending(uint32_t id);
  // Copies the wanted part of a page of `size` bytes to the asker, then completes. False, and the request fails, if the page is
  // shorter than that.
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
  bool woken_ = false;  // a wake-up is under way: no second one is needed
  uint32_t next_id_ = 1;
  std::deque<std::shared_ptr<Request>> queue_;
  std::unordered_map<uint32_t, std::shared_ptr<Request>> pending_;
};

// The replicas of the process by key and by id.
class Registry {
 public:
  static Registry& Get();
  // The replica of this key, with one reference more; `created` says that nobody had it and it must be opened.
  std::shared_ptr<Replica> Acquire(const std::string& key, bool* created);
  std::shared_ptr<Replica> Find(uint32_t id);
  // One reference more to a replica that is there already.
  std::shared_ptr<Replica> Reference(uint32_t id);
  // One reference less; the last one (true) takes the replica out of the registry and tells the worker to close it.
  bool Release(const std::shared_ptr<Replica>& replica);
  std::vector<std::shared_ptr<Replica>> All();

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<Replica>> by_key_;
  uint32_t next_id_ = 1;
};

}  // namespace litestream
