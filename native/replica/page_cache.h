// The resident pages of one replica. A slot holds one decoded page.
//
// Only the worker thread fills and reuses slots. Any thread reads slots, without a lock. Before a
// thread copies a slot, the thread announces the slot in its Reader (a hazard pointer). The thread
// then checks that the slot still has the generation in the page table entry. After the copy, the
// thread withdraws the announcement. Before the worker overwrites a slot, the worker increments the
// slot's generation. The worker then waits until no Reader announces the slot. The reading threads
// and the worker use sequentially consistent operations. The use of these operations leaves two
// cases. Either the reading thread sees the new generation and treats the page as absent, or the
// worker sees the announcement and waits for the end of the copy (well under a microsecond).
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace litestream {

// An entry of a page table has one of three values: kAbsent, kHydrated (the page is in the
// hydration file), or a generation (high 32 bits, at least 1) with a slot number (low 32 bits).
using PageEntry = uint64_t;
constexpr PageEntry kAbsent = 0;
constexpr PageEntry kHydrated = ~PageEntry(0);
// With at most 2^31 slots, slot + 1 and the number of segments do not wrap, and no entry that has a
// slot number equals kHydrated.
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

  // --- any thread --- Returns whether memory is allocated for the slot. Invalidate is the first
  // step of filling a slot. It allocates the memory.
  bool Filled(uint32_t slot) const {
    return slot < slots_ && segments_[slot / kSegmentSlots].load(std::memory_order_acquire) != nullptr;
  }
  // Generation, Data, Touch and TakeAhead require a slot for which Filled returns true.
  uint32_t Generation(uint32_t slot) const { return meta(slot).generation.load(std::memory_order_seq_cst); }
  const uint8_t* Data(uint32_t slot) const { return data(slot); }
  // The result of Touch. Unless the read was the first read since the slot was filled or since
  // TestAndClearTouched, `trigger` is false and `ahead` is 0.
  struct FirstRead {
    bool trigger = false;  // the first read after SetTrigger
    // at the first read of the page: the kind of prefetch that fetched the page
    uint8_t ahead = 0;
  };
  // Records a read of the slot. Only the first read of the slot writes to shared memory.
  FirstRead Touch(uint32_t slot) {
    SlotMeta& m = meta(slot);
    FirstRead first;
    if (m.touched.load(std::memory_order_relaxed) == kTouched) return first;
    first.trigger = m.touched.exchange(kTouched, std::memory_order_relaxed) == kTrigger;
    first.ahead = TakeAhead(slot);
    return first;
  }
  // Returns the kind of prefetch that fetched the page. If the page was already read or was not
  // prefetched, returns 0. Resets the kind to 0.
  uint8_t TakeAhead(uint32_t slot) {
    auto& ahead = meta(slot).ahead;
    return ahead.load(std::memory_order_relaxed) == 0 ? 0 : ahead.exchange(0, std::memory_order_relaxed);
  }

  // --- worker thread --- Invalidates every page table entry that refers to this slot. `slot` must
  // be less than slots(). Before it writes to the slot, the caller must wait for readers
  // (Replica::AwaitReaders). If the old page was prefetched and no reader has read the old page,
  // returns the kind of prefetch. Otherwise returns 0.
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
