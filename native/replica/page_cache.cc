#include "replica/page_cache.h"

#include <algorithm>

namespace litestream {

PageCache::PageCache(uint32_t page_size, uint32_t slots)
    : page_size_(page_size),
      slots_(slots),
      segment_count_((slots - 1) / kSegmentSlots + 1),
      segments_(new std::atomic<Segment*>[segment_count_]) {
  for (uint32_t i = 0; i < segment_count_; i++) segments_[i].store(nullptr, std::memory_order_relaxed);
}

PageCache::~PageCache() {
  for (uint32_t i = 0; i < segment_count_; i++) delete segments_[i].load(std::memory_order_relaxed);
}

uint8_t PageCache::Invalidate(uint32_t slot) {
  auto& segment = segments_[slot / kSegmentSlots];
  if (segment.load(std::memory_order_relaxed) == nullptr) {
    // The last segment has fewer than kSegmentSlots slots if `slots_` is not a multiple of
    // kSegmentSlots.
    uint32_t first = slot / kSegmentSlots * kSegmentSlots;
    uint32_t count = std::min(kSegmentSlots, slots_ - first);
    segment.store(new Segment(size_t(count) * page_size_, count), std::memory_order_release);
    allocated_.fetch_add(size_t(count) * page_size_, std::memory_order_relaxed);
  }
  auto& generation = meta(slot).generation;
  uint32_t next = generation.load(std::memory_order_relaxed) + 1;
  if (next == 0) next = 1;  // an entry with generation 0 and slot 0 equals kAbsent
  generation.store(next, std::memory_order_seq_cst);
  meta(slot).touched.store(kUntouched, std::memory_order_relaxed);
  return TakeAhead(slot);
}

}  // namespace litestream
