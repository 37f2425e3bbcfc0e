#include "replica/bridge.h"

#include <algorithm>
#include <cstring>

#include "ltx/limits.h"

namespace litestream {

// The interval at which a waiting requester checks whether sqlite3_interrupt() was called.
constexpr int kInterruptMs = 50;
// The maximum time for which a requester waits (ten years). The deadline of a longer wait could
// overflow, because std::chrono::steady_clock counts nanoseconds in 64 bits.
constexpr int64_t kMaxWaitMs = int64_t(3650) * 24 * 3600 * 1000;
// The maximum time between the call of Expect that announces a worker and the worker's call of
// Attach.
constexpr int kStartMs = 15000;

// The bridge and the registry exist until the process ends, because connections may be closed after
// every JavaScript environment has ended.
Bridge& Bridge::Get() {
  static Bridge* bridge = new Bridge();
  return *bridge;
}

Registry& Registry::Get() {
  static Registry* registry = new Registry();
  return *registry;
}

void Bridge::Enqueue(const std::shared_ptr<Request>& request) {
  request->id = next_id_++;
  queue_.push_back(request);
  pending_[request->id] = request;
  Wake();
}

void Bridge::Wake() {
  if (!alive_ || woken_) return;
  woken_ = true;
  wake_.NonBlockingCall();
}

Outcome Bridge::Ask(const std::shared_ptr<Request>& request, int64_t timeout_ms, const std::function<bool()>& interrupted) {
  const auto wait = std::chrono::milliseconds(std::min(std::max<int64_t>(timeout_ms, 0), kMaxWaitMs));
  auto deadline = std::chrono::steady_clock::now() + wait;
  std::unique_lock<std::mutex> lock(mutex_);
  if (alive_ && worker_ == std::this_thread::get_id()) return request->outcome = Outcome::kWorkerThread;
  if (!alive_ && expected_ != 0) attached_.wait_until(lock, deadline, [&] { return alive_ || expected_ == 0; });
  if (!alive_) return request->outcome = expected_ != 0 ? Outcome::kTimeout : Outcome::kWorkerGone;
  if (request->replica) request->replica->crossings.fetch_add(1, std::memory_order_relaxed);
  Enqueue(request);
  while (!request->done) {
    auto now = std::chrono::steady_clock::now();
    if (now >= deadline || (interrupted && interrupted())) {
      // The worker may try to complete the request after the requester has stopped waiting. Ask
      // removes the request from `pending_`, so that the worker does not write to the requester's
      // memory.
      pending_.erase(request->id);
      return request->outcome = now >= deadline ? Outcome::kTimeout : Outcome::kInterrupted;
    }
    auto slice = interrupted ? std::min(deadline, now + std::chrono::milliseconds(kInterruptMs)) : deadline;
    request->wake.wait_until(lock, slice, [&] { return request->done; });
  }
  return request->outcome;
}

void Bridge::Tell(const std::shared_ptr<Request>& request) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (alive_ || expected_ != 0) Enqueue(request);
}

bool Bridge::alive() {
  std::lock_guard<std::mutex> lock(mutex_);
  return alive_;
}

uint32_t Bridge::Expect() {
  std::lock_guard<std::mutex> lock(mutex_);
  auto now = std::chrono::steady_clock::now();
  // If a worker does not attach within kStartMs milliseconds, the thread that announced the worker
  // may have ended, so Expect replaces the announcement.
  bool given_up = expected_ != 0 && now - expected_since_ > std::chrono::milliseconds(kStartMs);
  if (alive_ || (expected_ != 0 && !given_up)) return 0;
  expected_ = next_ticket_++;
  expected_since_ = now;
  return expected_;
}

uint32_t Bridge::epoch() {
  std::lock_guard<std::mutex> lock(mutex_);
  return epoch_;
}

void Bridge::Unexpect(uint32_t ticket) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (expected_ != ticket) return;
  expected_ = 0;
  epoch_++;  // Unexpect drops the queued requests, as Detach does
  queue_.clear();
  pending_.clear();
  attached_.notify_all();
}

bool Bridge::Attach(Napi::Env env, Napi::Function on_requests) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (alive_) return false;
  wake_ = Napi::ThreadSafeFunction::New(env, on_requests, "litestream bridge", 0, 1);
  worker_ = std::this_thread::get_id();
  alive_ = true;
  expected_ = 0;
  woken_ = false;
  attached_.notify_all();
  if (!queue_.empty()) Wake();  // for the requests that were queued before Attach
  return true;
}

void Bridge::Detach() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!alive_ || worker_ != std::this_thread::get_id()) return;
  alive_ = false;
  epoch_++;
  worker_ = {};
  wake_.Abort();
  queue_.clear();
  auto pending = std::move(pending_);
  pending_.clear();
  for (auto& entry : pending) Finish(entry.second, Outcome::kWorkerGone, "WORKER_EXITED", "the replica worker exited");
  for (auto& replica : Registry::Get().All()) {
    if (replica->state.load() != ReplicaState::kClosed) replica->state.store(ReplicaState::kOrphaned);
  }
}

std::vector<std::shared_ptr<Request>> Bridge::Take() {
  std::lock_guard<std::mutex> lock(mutex_);
  woken_ = false;
  std::vector<std::shared_ptr<Request>> taken(queue_.begin(), queue_.end());
  queue_.clear();
  return taken;
}

void Bridge::Finish(const std::shared_ptr<Request>& request, Outcome outcome, const std::string& code,
                    const std::string& message) {
  request->outcome = outcome;
  request->code = code;
  request->message = message;
  request->done = true;
  request->wake.notify_all();
}

void Bridge::Complete(uint32_t id, Outcome outcome, const std::string& code, const std::string& message) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto it = pending_.find(id);
  if (it == pending_.end()) return;
  Finish(it->second, outcome, code, message);
  pending_.erase(it);
}

bool Bridge::CompletePage(uint32_t id, const uint8_t* page, size_t size) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto it = pending_.find(id);
  if (it == pending_.end()) return true;
  Request& request = *it->second;
  const bool fits = request.kind == RequestKind::kPage && Inside(request.dst_offset, request.dst_size, size);
  if (fits) memcpy(request.dst, page + request.dst_offset, request.dst_size);
  if (fits) Finish(it->second, Outcome::kOk, "", "");
  else Finish(it->second, Outcome::kFailed, "PAGE_UNAVAILABLE", "the replica worker answered with a page of another size");
  pending_.erase(it);
  return fits;
}

bool Bridge::CompleteTravel(uint32_t id, uint32_t view) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto it = pending_.find(id);
  if (it == pending_.end()) return true;
  Request& request = *it->second;
  View* target = request.kind == RequestKind::kTravel ? request.replica->FindView(view) : nullptr;
  if (target != nullptr) {
    request.reader->travelled.store(target);
    Finish(it->second, Outcome::kOk, "", "");
  } else {
    Finish(it->second, Outcome::kFailed, "TXID_NOT_AVAILABLE", "the replica has no such view");
  }
  pending_.erase(it);
  return target != nullptr;
}

void Bridge::CompleteCommit(uint32_t id, uint32_t view) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto it = pending_.find(id);
  if (it == pending_.end()) return;
  Request& request = *it->second;
  if (request.kind != RequestKind::kCommit) return;
  request.committed = request.replica->FindView(view);
  if (request.committed != nullptr) request.reader->pinned.store(request.committed, std::memory_order_seq_cst);
  Finish(it->second, Outcome::kOk, "", "");
  pending_.erase(it);
}

std::shared_ptr<Request> Bridge::Pending(uint32_t id) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto it = pending_.find(id);
  return it == pending_.end() ? nullptr : it->second;
}

std::shared_ptr<Replica> Registry::Acquire(const std::string& key, bool* created) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto& replica = by_key_[key];
  *created = !replica;
  if (!replica) replica = std::make_shared<Replica>(next_id_++, key);
  replica->refs++;
  return replica;
}

std::shared_ptr<Replica> Registry::Find(uint32_t id) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (auto& entry : by_key_) {
    if (entry.second->id == id) return entry.second;
  }
  return nullptr;
}

std::shared_ptr<Replica> Registry::Reference(uint32_t id) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (auto& entry : by_key_) {
    if (entry.second->id != id) continue;
    entry.second->refs++;
    return entry.second;
  }
  return nullptr;
}

bool Registry::Release(const std::shared_ptr<Replica>& replica) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (--replica->refs > 0) return false;
    by_key_.erase(replica->key);
  }
  replica->state.store(ReplicaState::kClosed);
  auto request = std::make_shared<Request>();
  request->kind = RequestKind::kClose;
  request->replica = replica;
  Bridge::Get().Tell(request);
  return true;
}

std::vector<std::shared_ptr<Replica>> Registry::All() {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<std::shared_ptr<Replica>> all;
  for (auto& entry : by_key_) all.push_back(entry.second);
  return all;
}

}  // namespace litestream
