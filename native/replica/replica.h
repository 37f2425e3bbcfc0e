// A replica as the readers of this process see it: its current view, the pinned ones, the page cache, its readers.
//
// Threads: views are made, published and freed on the worker thread. Any thread pins the current view (ReadLock) and reads
// through it without a lock. The list of readers is guarded by `mutex`, which opening and closing a connection take, a miss does
// for its request, and the worker does when it waits for readers; a hit never does.
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

// Chunks of a database of `commit` pages; for every value of `commit`.
constexpr uint32_t ChunksOf(uint32_t commit) { return commit / kChunkPages + (commit % kChunkPages == 0 ? 0 : 1); }

// 1,024 page table entries, shared by every view in which none of these pages differs. `refs` is the worker thread's.
struct Chunk {
  std::atomic<PageEntry> entry[kChunkPages];
  uint32_t refs = 1;
  Chunk();
  Chunk(const Chunk& other);
};

// What a view is made from.
struct ViewFacts {
  uint64_t txid;
  int64_t timestamp;  // ms since the epoch, of the newest LTX file in it
  uint32_t commit;    // pages
  uint32_t counter;   // SQLite's change counter for this view
  uint32_t cookie_shift;  // added to the schema cookie: another one where an equal cookie may stand for another schema
  std::shared_ptr<PageCache> cache;
  std::shared_ptr<HydratedFile> hydrated;  // where its kHydrated pages are; null without hydration
};

// The database at one TXID. What it means never changes; which of its pages are resident does.
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
  const std::unique_ptr<std::atomic<Chunk*>[]> chunks;  // null: none of its pages is resident
  bool retired = false;                                 // worker thread: to be freed once nothing pins it

  uint32_t page_size() const { return cache->page_size(); }
  bool Has(uint32_t pgno) const { return pgno >= 1 && pgno <= commit; }
  // For a page that the view has.
  PageEntry Lookup(uint32_t pgno) const {
    Chunk* chunk = chunks[(pgno - 1) / kChunkPages].load(std::memory_order_acquire);
    if (chunk == nullptr) return kAbsent;
    return chunk->entry[(pgno - 1) % kChunkPages].load(std::memory_order_acquire);
  }
  // Worker thread. Does nothing for a page that the view does not have.
  void Set(uint32_t pgno, PageEntry entry);
  // Worker thread. Enters a page that is in the hydrated file; false if the file does not reach to it.
  bool SetHydrated(uint32_t pgno);
};

class Replica;

// Kinds of read-ahead, as src/replica/options.ts numbers them from 1 on.
constexpr const char* kAheadKinds[] = {"scan", "leaves", "rows", "interior", "changes"};
constexpr uint8_t kAheadKindCount = sizeof(kAheadKinds) / sizeof(kAheadKinds[0]);

// What became of the pages that one kind of read-ahead brought. Those that are here and unread are neither used nor wasted yet.
struct AheadCounts {
  std::atomic<uint64_t> brought{0}, used{0}, wasted{0};
};

// What one connection's file announces to the worker. Written by the connection's thread only, at every read: each has cache lines
// of its own, two, because processors fetch them in pairs.
struct alignas(128) Reader {
  explicit Reader(uint32_t id) : id(id) {}
  const uint32_t id;
  std::atomic<View*> pinned{nullptr};     // the view of the open read transaction
  std::atomic<View*> travelled{nullptr};  // the view this connection was sent to, for all its transactions
  std::atomic<uint32_t> copying{0};       // slot + 1 that is being copied
  std::atomic<uint64_t> hits{0};
  std::atomic<uint64_t> misses{0};
  uint32_t index_leaf = 0;  // the connection's own: the last index leaf it read
  uint32_t triggered = 0;   // the connection's own: a page read at which more is to be fetched ahead
};

// The view a connection sees, pinned for a moment where no transaction holds one: it may be retired at any time otherwise.
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
  std::atomic<int64_t> contact{0};           // MonotonicMs() when the last successful poll began; 0 = none yet
  std::atomic<uint64_t> crossings{0};        // requests that went to the worker
  std::atomic<int64_t> read_timeout{30000};  // ms
  std::atomic<int64_t> max_stale{INT64_MAX};  // ms; reads fail once the last contact is longer ago
  std::atomic<int> hydration_permille{0};
  std::atomic<int64_t> commit_timeout{30000};  // ms; also for the right to write
  std::atomic<bool> writable{false};        // connections may write
  std::atomic<const Reader*> writer{nullptr};  // the connection of this process that has the RESERVED lock
  // Apart from what every read looks at: the first read of a page that was brought ahead counts here.
  alignas(128) AheadCounts ahead[kAheadKindCount];

  // Pins the view a read transaction shall see; null where there is none.
  View* ReadLock(Reader* reader);
  void ReadUnlock(Reader* reader);
  // Copies [offset, offset + size) of a page if it is resident. No lock, no system call.
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
  // A view like `base` (null: nothing in common) but for the `changed` pages, which are absent in it.
  View* AddView(View* base, const ViewFacts& facts, const uint32_t* changed, size_t changed_count);
  View* FindView(uint32_t view_id);
  void Publish(View* view);
  // Frees `view` as soon as nothing pins it; the current view is never freed.
  void Retire(View* view);
  // Frees what was retired and is pinned no more. Returns the ids of the views that are left, the current one included.
  std::vector<uint32_t> Collect();
  // Returns when no reader is copying this slot.
  void AwaitReaders(uint32_t slot);
  size_t view_count() const { return views_.size(); }
  // Views, also such as an earlier worker made, that may read from this file.
  size_t Sharing(const HydratedFile* file) const;
  // The largest commit of these views.
  uint32_t SharedPages(const HydratedFile* file) const;
  // Grows whenever a view is made whose TXID, or schema cookie, may mean something else than in the views before it.
  uint32_t incarnation = 0;

  // Refs: open files and JavaScript handles; guarded by the registry's mutex.
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

// Objects alive, for the leak test.
struct LiveCounts {
  static std::atomic<int64_t> replicas, views, chunks, readers;
};

}  // namespace litestream
