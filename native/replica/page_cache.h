// The pages of one replica that are in memory. A slot holds one decoded page.
//
// Threads: slots are filled and reused by the worker thread alone; any thread reads them. A reader takes no lock: it announces
// the slot it is about to copy in its Reader (a hazard pointer), looks whether the slot still is of the generation that its page
// table entry names, copies, and takes the announcement back. The worker raises the generation first and then waits until no
// Reader announces the slot. Either the reader sees the new generation and treats the page as absent, or the worker sees the
// announcement and waits for the copy (a page, well under a microsecond) to end. Both sides use sequentially consistent
// operations for this handshake, so one of the two must hold.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace litestream {

// A page table entry: 0 = not here; kHydrated = in the hydrated file; else generation (high half, >= 1) and slot (low half).
using PageEntry = uint64_t;
constexpr PageEntry kAbsent = 0;
constexpr PageEntry kHydrated = ~PageEntry(0);
// So that slot + 1, and the number of segments, do not wrap, and no entry equals kHydrated.
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
  // Whether there is memory for the slot: it was invalidated, which is the first step of filling it.
  bool Filled(uint32_t slot) const {
    return slot < slots_ && segments_[slot / kSegmentSlots].load(std::memory_order_acquire) != nullptr;
  }
  // The functions from here on: for a slot that is Filled.
  uint32_t Generation(uint32_t slot) const { return meta(slot).generation.load(std::memory_order_seq_cst); }
  const uint8_t* Data(uint32_t slot) const { return data(slot); }
  // What the first read of a slot since it was looked at, or filled, has to tell.
  struct FirstRead {
    bool trigger = false;  // the first read after SetTrigger
    uint8_t ahead = 0;     // the kind of read-ahead that brought the page, if this is the first read of it at all
  };
  // Notes a read. Writes to nothing that other readers use unless it is the first one.
  FirstRead Touch(uint32_t slot) {
    SlotMeta& m = meta(slot);
    FirstRead first;
    if (m.touched.load(std::memory_order_relaxed) == kTouched) return first;
    first.trigger = m.touched.exchange(kTouched, std::memory_order_relaxed) == kTrigger;
    first.ahead = TakeAhead(slot);
    return first;
  }
  // The kind of read-ahead that brought the page and that nobody has read it since; 0: read, or not brought ahead. Once.
  uint8_t TakeAhead(uint32_t slot) {
    auto& ahead = meta(slot).ahead;
    return ahead.load(std::memory_order_relaxed) == 0 ? 0 : ahead.exchange(0, std::memory_order_relaxed);
  }

  // --- worker thread ---
  // Makes every entry that names this slot, less than slots(), stale. The caller then waits for readers (Replica::AwaitReaders) before it writes.
  // Returns the kind of read-ahead that brought what was in it in vain; 0 if it was read.
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
