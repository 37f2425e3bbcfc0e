// The resident pages of one replica. A slot holds one decoded page.
//
// Threads: only the worker thread fills and reuses slots; any thread reads them. A reader takes no
// lock: it announces the slot that it is about to copy in its Reader (a hazard pointer), checks
// that the slot still has the generation in its page table entry, copies, and withdraws the
// announcement. The worker first raises the generation, then waits until no Reader announces the
// slot. Either the reader sees the new generation and treats the page as absent, or the worker sees
// the announcement and waits until the copy (one page, well under a microsecond) ends. Both sides
// use sequentially consistent operations for this handshake, so one of the two must hold.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace litestream {

// A page table entry: 0 = absent; kHydrated = in the hydrated file; otherwise generation (high
// half, >= 1) and slot (low half).
using PageEntry = uint64_t;
constexpr PageEntry kAbsent = 0;
constexpr PageEntry kHydrated = ~PageEntry(0);
// With this limit, slot + 1 and the number of segments do not wrap, and no entry equals kHydrated.
constexpr uint32_t kMaxSlots = 1u << 31;

class PageCache {
 public:
  // `slots`: 1 to kMaxSlots.
  PageCache(uint32_t page_size, uint32_t slots);
  ~PageCache();
  PageCache(const PageCache&) = delete;
  PageCache& operator=(const PageCache&) = delete;

  uint32_t page_size() const { return page_size_; }
  uint32_t slots() const { return slots_; }
  // Bytes of page memory allocated so far; grows by segments up to slots() * page_size().
  size_t allocated() const { return allocated_.load(std::memory_order_relaxed); }

  // --- any thread ---
  // Whether the slot has memory: Invalidate allocates it, as the first step of filling the slot.
  bool Filled(uint32_t slot) const {
    return slot < slots_ && segments_[slot / kSegmentSlots].load(std::memory_order_acquire) != nullptr;
  }
  // The functions below require a slot that is Filled.
  uint32_t Generation(uint32_t slot) const { return meta(slot).generation.load(std::memory_order_seq_cst); }
  const uint8_t* Data(uint32_t slot) const { return data(slot); }
  // Results of the first read of a slot since it was filled, or since TestAndClearTouched.
  struct FirstRead {
    bool trigger = false;  // the first read after SetTrigger
    // the kind of prefetch that fetched the page, if this is the first read of the page
    uint8_t ahead = 0;
  };
  // Records a read. Writes to shared memory only for the first read.
  FirstRead Touch(uint32_t slot) {
    SlotMeta& m = meta(slot);
    FirstRead first;
    if (m.touched.load(std::memory_order_relaxed) == kTouched) return first;
    first.trigger = m.touched.exchange(kTouched, std::memory_order_relaxed) == kTrigger;
    first.ahead = TakeAhead(slot);
    return first;
  }
  // The kind of prefetch that brought the page if the page was not read yet; 0 if it was read or
  // not prefetched. Resets the kind.
  uint8_t TakeAhead(uint32_t slot) {
    auto& ahead = meta(slot).ahead;
    return ahead.load(std::memory_order_relaxed) == 0 ? 0 : ahead.exchange(0, std::memory_order_relaxed);
  }

  // --- worker thread --- Makes every entry that names this slot stale; `slot` is less than
  // slots(). The caller then waits for readers (Replica::AwaitReaders) before it writes. Returns
  // the kind of prefetch that brought the old page if no reader read it, otherwise 0.
  uint8_t Invalidate(uint32_t slot);
  void SetAhead(uint32_t slot, uint8_t kind) { meta(slot).ahead.store(kind, std::memory_order_relaxed); }
  uint8_t* Writable(uint32_t slot) { return data(slot); }
  PageEntry Entry(uint32_t slot) const { return (PageEntry(Generation(slot)) << 32) | slot; }
  // Whether the slot was read since the last call.
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
