// A Replica is the native object of an open replica. All connections of the process to one replica
// share one Replica. A Replica has the views and the list of readers.
//
// The worker thread creates, publishes and frees views. Any thread may pin the current view
// (ReadLock) and then read pages of the pinned view without a lock. `mutex_` guards the list of
// readers, the error and the hydration path. A thread takes `mutex_` when it opens or closes a
// connection. The worker takes `mutex_` while it waits for readers. A read of a resident page never
// takes `mutex_`.
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

// Returns the number of chunks for a database of `commit` pages. The calculation does not wrap for
// any value of `commit`.
constexpr uint32_t ChunksOf(uint32_t commit) { return commit / kChunkPages + (commit % kChunkPages == 0 ? 0 : 1); }

// A chunk has the page table entries of 1,024 pages. If none of these pages has changed between two
// views, the views can share the chunk. `refs` is the number of views that share the chunk. Only
// the worker thread uses `refs`.
struct Chunk {
  std::atomic<PageEntry> entry[kChunkPages];
  uint32_t refs = 1;
  Chunk();
  Chunk(const Chunk& other);
};

// The properties of a view that AddView creates.
struct ViewFacts {
  uint64_t txid;
  int64_t timestamp;  // time in the newest LTX file's header, ms since the epoch
  uint32_t commit;    // database size in pages
  uint32_t counter;   // SQLite's change counter for this view
  // the number that PatchHeader adds to the schema cookie, so that different schemas never have the
  // same cookie
  uint32_t cookie_shift;
  std::shared_ptr<PageCache> cache;
  // the hydration file that contains the kHydrated pages of the view; null if the replica has no
  // local copy
  std::shared_ptr<HydratedFile> hydrated;
};

// A view is the database at one TXID. The content of a view never changes, but the set of its
// resident pages changes.
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
  // If `retired` is true, Collect frees the view once no reader pins it. Only the worker thread
  // uses `retired`.
  bool retired = false;

  uint32_t page_size() const { return cache->page_size(); }
  bool Has(uint32_t pgno) const { return pgno >= 1 && pgno <= commit; }
  // Returns the page table entry of page `pgno`. `pgno` must be from 1 to `commit`.
  PageEntry Lookup(uint32_t pgno) const {
    Chunk* chunk = chunks[(pgno - 1) / kChunkPages].load(std::memory_order_acquire);
    if (chunk == nullptr) return kAbsent;
    return chunk->entry[(pgno - 1) % kChunkPages].load(std::memory_order_acquire);
  }
  // Sets the page table entry of page `pgno`. If the view has no page `pgno`, Set has no effect.
  // Only the worker thread calls Set.
  void Set(uint32_t pgno, PageEntry entry);
  // Sets the page table entry of page `pgno` to kHydrated. If the view has no hydration file, or if
  // the hydration file is too short for the page, returns false. Only the worker thread calls
  // SetHydrated.
  bool SetHydrated(uint32_t pgno);
};

class Replica;

// The kinds of prefetch, in the order of their numbers. The number of a kind is its index in
// kAheadKinds plus 1. src/native/read-ahead.ts lists the kinds in this order.
constexpr const char* kAheadKinds[] = {"scan", "leaves", "rows", "interior", "changes"};
constexpr uint8_t kAheadKindCount = sizeof(kAheadKinds) / sizeof(kAheadKinds[0]);

// Counts the pages that one kind of prefetch has fetched (`brought`). `used` is the number of
// prefetched pages that were read, and `wasted` is the number of prefetched pages that were evicted
// without a read.
struct AheadCounts {
  std::atomic<uint64_t> brought{0}, used{0}, wasted{0};
};

// A Reader has the data of one connection that the worker reads. The connection's thread writes to
// its Reader at every read of a page. No other data is in the two cache lines of a Reader, because
// processors fetch cache lines in pairs.
struct alignas(128) Reader {
  explicit Reader(uint32_t id) : id(id) {}
  const uint32_t id;
  std::atomic<View*> pinned{nullptr};     // the view of the open read transaction
  // the view that all transactions of the connection read after time travel; null without time
  // travel
  std::atomic<View*> travelled{nullptr};
  std::atomic<uint32_t> copying{0};       // slot number plus 1 during a copy, else 0
  std::atomic<uint64_t> hits{0};
  std::atomic<uint64_t> misses{0};
  uint32_t index_leaf = 0;  // page number; used only by the connection's thread
  // The number of the page whose read must now request more prefetch, or 0. Only the connection's
  // thread uses `triggered`.
  uint32_t triggered = 0;
};

// Gives access to a connection's view. `held` is the view that the connection's transaction has
// pinned, or null. If `held` is null, the constructor calls ReadLock to pin a view, and the
// destructor withdraws the pin. Without a pin, the worker could free the view at any moment.
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
  // value of MonotonicMs() when the last successful poll began; 0 before the first successful poll
  std::atomic<int64_t> contact{0};
  std::atomic<uint64_t> crossings{0};        // number of requests sent to the worker
  std::atomic<int64_t> read_timeout{30000};  // in milliseconds
  // a read transaction cannot begin if the last successful poll began more than `max_stale`
  // milliseconds ago
  std::atomic<int64_t> max_stale{INT64_MAX};
  std::atomic<int> hydration_permille{0};
  std::atomic<int64_t> commit_timeout{30000};  // in ms; also for the RESERVED lock
  // value of MonotonicMs() when a request for the RESERVED lock last timed out; 0 before the first
  // timeout
  std::atomic<int64_t> lock_timed_out{0};
  std::atomic<bool> writable{false};  // whether connections may write
  // the connection that holds the RESERVED lock in this process
  std::atomic<const Reader*> writer{nullptr};
  // The counters of each kind of prefetch. The first read of a prefetched page increments a
  // counter. No other data is in the cache lines of the counters, so that the increments do not
  // slow down other reads.
  alignas(128) AheadCounts ahead[kAheadKindCount];

  // Pins a view for a read transaction of the connection `reader`, and returns the view. After time
  // travel, ReadLock pins the connection's view `travelled`, and otherwise the replica's current
  // view. If the replica has no current view, returns null.
  View* ReadLock(Reader* reader);
  void ReadUnlock(Reader* reader);
  // If page `pgno` of the view is resident, copies the bytes [offset, offset + size) of the page to
  // `dst` and returns true. Otherwise returns false. ReadResident takes no lock and makes no system
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

  // Only the worker thread may call the following methods.
  //
  // Creates a view. The resident pages of the view `base` are also resident in the created view,
  // except the pages whose numbers are in `changed`. If `base` is null, the created view has no
  // resident pages.
  View* AddView(View* base, const ViewFacts& facts, const uint32_t* changed, size_t changed_count);
  View* FindView(uint32_t view_id);
  void Publish(View* view);
  // Marks `view` as retired, so that Collect can free the view.
  void Retire(View* view);
  // Frees each retired view that no reader pins and that is not the current view. Returns the ids
  // of all remaining views, including the current view.
  std::vector<uint32_t> Collect();
  // Waits until no reader is copying from the slot `slot`.
  void AwaitReaders(uint32_t slot);
  size_t view_count() const { return views_.size(); }
  // Returns the number of views that may read from the hydration file `file`. The result includes
  // the views that earlier workers have created.
  size_t Sharing(const HydratedFile* file) const;
  // Returns the database size in pages of the largest view that may read from the hydration file
  // `file`.
  uint32_t SharedPages(const HydratedFile* file) const;
  // The incarnation counter. The worker increments the incarnation counter before it creates a view
  // in which a TXID or schema cookie may belong to other content than in earlier views.
  uint32_t incarnation = 0;

  // The number of sqlite3_files and JavaScript handles that keep the replica open. The registry's
  // mutex guards `refs`.
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

// For each class, the number of objects that exist. Only the leak test reads LiveCounts.
struct LiveCounts {
  static std::atomic<int64_t> replicas, views, chunks, readers;
};

}  // namespace litestream
