// The resident pages of one replica. The cache consists of slots, and each slot holds one decoded
// page.
//
// Only the worker thread fills and reuses slots. Any thread reads slots without a lock. Before a
// thread copies the page in a slot, the thread announces the slot in its Reader (a hazard pointer).
// After the announcement, the thread checks that the slot still has the generation that is in the
// page table entry. After the copy, the thread withdraws the announcement. Before the worker
// overwrites a slot, the worker increments the slot's generation, and then waits until no Reader
// announces the slot. All accesses to generations and announcements are sequentially consistent. If
// the reading thread sees the incremented generation, the thread treats the page as absent. If the
// thread still sees the old generation, the worker sees the announcement and waits until the copy
// has ended (well under a microsecond).
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace litestream {

// An entry of a page table is kAbsent, kHydrated (the page is in the hydration file), or a
// generation (high 32 bits, at least 1) with a slot number (low 32 bits).
using PageEntry = uint64_t;
constexpr PageEntry kAbsent = 0;
constexpr PageEntry kHydrated = ~PageEntry(0);
// If a cache has at most 2^31 slots, neither slot + 1 nor the number of segments wraps, and no page
// table entry with a slot number equals kHydrated.
constexpr uint32_t kMaxSlots = 1u << 31;

class PageCache {
 public:
  // `slots` must be from 1 to kMaxSlots.
  PageCache(uint32_t page_size, uint32_t slots);
  ~PageCache();
  PageCache(const PageCache&) = delete;
  PageCache& operator=(const PageCache&) = delete;

  uint32_t page_size() const { return page_size_; }
  uint32_t slots() const { return slots_; }
  // Returns how many bytes of page memory the cache has allocated so far. The cache allocates whole
  // segments, up to slots() * page_size() bytes.
  size_t allocated() const { return allocated_.load(std::memory_order_relaxed); }

  // Any thread may call the following methods.
  //
  // Returns whether memory is allocated for `slot`. Invalidate allocates the memory of a slot.
  bool Filled(uint32_t slot) const {
    return slot < slots_ && segments_[slot / kSegmentSlots].load(std::memory_order_acquire) != nullptr;
  }
  // Generation, Data, Touch and TakeAhead may be called only for a slot for which Filled returns
  // true.
  uint32_t Generation(uint32_t slot) const { return meta(slot).generation.load(std::memory_order_seq_cst); }
  const uint8_t* Data(uint32_t slot) const { return data(slot); }
  // The result of Touch. `trigger` is false and `ahead` is 0 unless the read is the first read
  // since the slot was filled or since the last call of TestAndClearTouched.
  struct FirstRead {
    bool trigger = false;  // the first read after SetTrigger
    // for the first read of a prefetched page, the kind of prefetch that fetched the page;
    // otherwise 0
    uint8_t ahead = 0;
  };
  // Records that a reader has read the slot. If the slot was already read, Touch writes nothing, so
  // that the cache line stays shared by all processors.
  FirstRead Touch(uint32_t slot) {
    SlotMeta& m = meta(slot);
    FirstRead first;
    if (m.touched.load(std::memory_order_relaxed) == kTouched) return first;
    first.trigger = m.touched.exchange(kTouched, std::memory_order_relaxed) == kTrigger;
    first.ahead = TakeAhead(slot);
    return first;
  }
  // Returns the kind of prefetch that fetched the page in the slot, and sets the kind to 0. If the
  // page was already read or was not prefetched, returns 0.
  uint8_t TakeAhead(uint32_t slot) {
    auto& ahead = meta(slot).ahead;
    return ahead.load(std::memory_order_relaxed) == 0 ? 0 : ahead.exchange(0, std::memory_order_relaxed);
  }

  // Only the worker thread may call the following methods.
  //
  // Invalidates every page table entry that refers to `slot`, and allocates the memory of the slot.
  // `slot` must be less than slots(). Before the caller writes to the slot, the caller must call
  // Replica::AwaitReaders. If the slot's previous page was prefetched but never read, returns the
  // kind of prefetch that fetched this page. Otherwise returns 0.
  uint8_t Invalidate(uint32_t slot);
  void SetAhead(uint32_t slot, uint8_t kind) { meta(slot).ahead.store(kind, std::memory_order_relaxed); }
  uint8_t* Writable(uint32_t slot) { return data(slot); }
  PageEntry Entry(uint32_t slot) const { return (PageEntry(Generation(slot)) << 32) | slot; }
  // Returns whether a reader has read the slot since the previous call of TestAndClearTouched.
  bool TestAndClearTouched(uint32_t slot) {
    uint8_t touched = kTouched;
    return meta(slot).touched.compare_exchange_strong(touched, kUntouched, std::memory_order_relaxed);
  }
  void SetTrigger(uint32_t slot) { meta(slot).touched.store(kTrigger, std::memory_order_relaxed); }

 private:
  enum : uint8_t { kUntouched = 0, kTouched = 1, kTrigger = 2 };
  struct SlotMeta {
    std::atomic<uint32_t> generation{0};
    std::atomic<uint8_t> touched{kUntouched};
    std::atomic<uint8_t> ahead{0};
  };
  struct Segment {
    explicit Segment(size_t bytes, uint32_t count) : pages(new uint8_t[bytes]), meta(new SlotMeta[count]) {}
    std::unique_ptr<uint8_t[]> pages;
    std::unique_ptr<SlotMeta[]> meta;
  };
  static constexpr uint32_t kSegmentSlots = 256;

  SlotMeta& meta(uint32_t slot) const {
    return segments_[slot / kSegmentSlots].load(std::memory_order_acquire)->meta[slot % kSegmentSlots];
  }
  uint8_t* data(uint32_t slot) const {
    Segment* segment = segments_[slot / kSegmentSlots].load(std::memory_order_acquire);
    return segment->pages.get() + size_t(slot % kSegmentSlots) * page_size_;
  }

  const uint32_t page_size_;
  const uint32_t slots_;
  const uint32_t segment_count_;
  std::atomic<size_t> allocated_{0};
  std::unique_ptr<std::atomic<Segment*>[]> segments_;
};

}  // namespace litestream
