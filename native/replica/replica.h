// A replica as the readers of this process see it: its current view, pinned views, page cache and
// readers.
//
// Threads: the worker thread creates, publishes and frees views. Any thread pins the current view
// (ReadLock) and reads through it without a lock. `mutex` guards the list of readers. Opening and
// closing a connection take it, a miss takes it for its request, and the worker takes it while it
// waits for readers; a hit never does.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "replica/hydrated_file.h"
#include "replica/page_cache.h"

namespace litestream {

constexpr uint32_t kChunkPages = 1024;

// Number of chunks for a database of `commit` pages; defined for every value of `commit`.
constexpr uint32_t ChunksOf(uint32_t commit) { return commit / kChunkPages + (commit % kChunkPages == 0 ? 0 : 1); }

// 1,024 page table entries, shared by every view for which none of these pages differs. Only the
// worker thread uses `refs`.
struct Chunk {
  std::atomic<PageEntry> entry[kChunkPages];
  uint32_t refs = 1;
  Chunk();
  Chunk(const Chunk& other);
};

// The fields from which a view is created.
struct ViewFacts {
  uint64_t txid;
  int64_t timestamp;  // time of the newest LTX file in the view, ms since the epoch
  uint32_t commit;    // size in pages
  uint32_t counter;   // SQLite's change counter for this view
  // added to the schema cookie: changed when an equal cookie may stand for another schema
  uint32_t cookie_shift;
  std::shared_ptr<PageCache> cache;
  // holds the kHydrated pages of the view; null without hydration
  std::shared_ptr<HydratedFile> hydrated;
};

// The database at one TXID. Its contents never change; the set of its resident pages does.
struct View {
  View(uint32_t id, const ViewFacts& facts);
  ~View();
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  const uint32_t id;
  const uint64_t txid;
  const int64_t timestamp;
  const uint32_t commit;
  const uint32_t counter;
  const uint32_t cookie_shift;
  const std::shared_ptr<PageCache> cache;
  const std::shared_ptr<HydratedFile> hydrated;
  const uint32_t chunk_count;
  const std::unique_ptr<std::atomic<Chunk*>[]> chunks;  // null: no page of the chunk is resident
  // worker thread: freed when no reader pins it
  bool retired = false;

  uint32_t page_size() const { return cache->page_size(); }
  bool Has(uint32_t pgno) const { return pgno >= 1 && pgno <= commit; }
  // `pgno` must be a page of the view.
  PageEntry Lookup(uint32_t pgno) const {
    Chunk* chunk = chunks[(pgno - 1) / kChunkPages].load(std::memory_order_acquire);
    if (chunk == nullptr) return kAbsent;
    return chunk->entry[(pgno - 1) % kChunkPages].load(std::memory_order_acquire);
  }
  // Worker thread. Ignores a page that the view does not have.
  void Set(uint32_t pgno, PageEntry entry);
  // Worker thread. Adds a page that is in the hydrated file; returns false if the file is too short
  // for it.
  bool SetHydrated(uint32_t pgno);
};

class Replica;

// Kinds of prefetch, as src/replica/options.ts numbers them, beginning with 1.
constexpr const char* kAheadKinds[] = {"scan", "leaves", "rows", "interior", "changes"};
constexpr uint8_t kAheadKindCount = sizeof(kAheadKinds) / sizeof(kAheadKinds[0]);

// Outcomes of the pages that one kind of prefetch brought. A resident page that was not read yet
// counts as neither used nor wasted.
struct AheadCounts {
  std::atomic<uint64_t> brought{0}, used{0}, wasted{0};
};

// The state that one connection publishes to the worker. Only the connection's thread writes it, at
// every read. Each Reader has two cache lines of its own, because processors fetch them in pairs.
struct alignas(128) Reader {
  explicit Reader(uint32_t id) : id(id) {}
  const uint32_t id;
  std::atomic<View*> pinned{nullptr};     // the view of the open read transaction
  // the view that this connection travelled to, for all its transactions
  std::atomic<View*> travelled{nullptr};
  std::atomic<uint32_t> copying{0};       // the slot being copied, plus 1
  std::atomic<uint64_t> hits{0};
  std::atomic<uint64_t> misses{0};
  uint32_t index_leaf = 0;  // connection's thread only: the last index leaf that it read
  // used on the connection's thread only: a page that was read and should trigger more prefetch
  uint32_t triggered = 0;
};

// The view of a connection, pinned for the lifetime of this object if no transaction pins it;
// otherwise the worker could retire it at any time.
class PinnedView {
 public:
  PinnedView(Replica* replica, Reader* reader, View* held);
  ~PinnedView();
  PinnedView(const PinnedView&) = delete;
  PinnedView& operator=(const PinnedView&) = delete;
  const View* operator->() const { return view_; }

 private:
  Replica* const replica_;
  Reader* const reader_;
  View* const held_;
  View* const view_;
};

enum class ReplicaState : int { kOpening = 0, kLive = 1, kStale = 2, kOrphaned = 3, kClosed = 5 };

class Replica {
 public:
  Replica(uint32_t id, std::string key);
  ~Replica();

  const uint32_t id;
  const std::string key;

  // --- any thread ---
  std::atomic<ReplicaState> state{ReplicaState::kOpening};
  std::atomic<View*> current{nullptr};
  // MonotonicMs() when the last successful poll began; 0 = none yet
  std::atomic<int64_t> contact{0};
  std::atomic<uint64_t> crossings{0};        // number of requests sent to the worker
  std::atomic<int64_t> read_timeout{30000};  // ms
  // ms; reads fail when the last successful poll is older
  std::atomic<int64_t> max_stale{INT64_MAX};
  std::atomic<int> hydration_permille{0};
  std::atomic<int64_t> commit_timeout{30000};  // ms; also the limit for taking the RESERVED lock
  // MonotonicMs() when the worker last let a request for the RESERVED lock wait too long; 0 = never
  std::atomic<int64_t> lock_timed_out{0};
  std::atomic<bool> writable{false};  // whether connections may write
  // the connection of this process that holds the RESERVED lock
  std::atomic<const Reader*> writer{nullptr};
  // Counted at the first read of a prefetched page; on separate cache lines, so that these writes
  // do not slow other reads.
  alignas(128) AheadCounts ahead[kAheadKindCount];

  // Pins the view for a read transaction; null if the replica has none.
  View* ReadLock(Reader* reader);
  void ReadUnlock(Reader* reader);
  // Copies [offset, offset + size) of a page if it is resident. Takes no lock and makes no system
  // call.
  bool ReadResident(Reader* reader, const View* view, uint32_t pgno, uint32_t offset, uint8_t* dst, uint32_t size);
  void CountAhead(uint8_t kind, std::atomic<uint64_t> AheadCounts::* what) {
    if (kind != 0) (ahead[kind - 1].*what).fetch_add(1, std::memory_order_relaxed);
  }

  std::shared_ptr<Reader> AddReader();
  void RemoveReader(const std::shared_ptr<Reader>& reader);
  void SetError(const std::string& code, const std::string& message);
  std::string Error();
  void SetHydrationPath(const std::string& path);
  std::string HydrationPath();

  struct Counts {
    uint64_t hits = 0, misses = 0, readers = 0;
  };
  Counts Count();

  // --- worker thread ---
  // eates a view like `base` (null: nothing in common) in which the `changed` pages are absent.
  View* AddView(View* base, const ViewFacts& facts, const uint32_t* changed, size_t changed_count);
  View* FindView(uint32_t view_id);
  void Publish(View* view);
  // Frees `view` when no reader pins it; never frees the current view.
  void Retire(View* view);
  // Frees the retired views that no reader pins any more. Returns the ids of the remaining views,
  // including the current one.
  std::vector<uint32_t> Collect();
  // Returns when no reader is copying this slot.
  void AwaitReaders(uint32_t slot);
  size_t view_count() const { return views_.size(); }
  // The number of views, including those of earlier workers, that may read from this file.
  size_t Sharing(const HydratedFile* file) const;
  // The largest commit of these views.
  uint32_t SharedPages(const HydratedFile* file) const;
  // Grows whenever a view is created whose TXID or schema cookie may have another meaning than in
  // earlier views.
  uint32_t incarnation = 0;

  // References: open files and JavaScript handles; guarded by the registry's mutex.
  int refs = 0;

 private:
  bool Pinned(const View* view);

  std::mutex mutex_;
  std::vector<std::shared_ptr<Reader>> readers_;
  uint64_t closed_hits_ = 0, closed_misses_ = 0;
  uint32_t next_reader_ = 1;
  std::string error_, hydration_path_;
  std::unordered_map<uint32_t, std::unique_ptr<View>> views_;
  uint32_t next_view_ = 1;
};

// Number of live objects, for the leak test.
struct LiveCounts {
  static std::atomic<int64_t> replicas, views, chunks, readers;
};

}  // namespace litestream
