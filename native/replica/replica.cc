#include "replica/replica.h"

#include <algorithm>
#include <cstring>
#include <thread>

namespace litestream {

std::atomic<int64_t> LiveCounts::replicas{0};
std::atomic<int64_t> LiveCounts::views{0};
std::atomic<int64_t> LiveCounts::chunks{0};
std::atomic<int64_t> LiveCounts::readers{0};

Chunk::Chunk() {
  for (auto& e : entry) e.store(kAbsent, std::memory_order_relaxed);
  LiveCounts::chunks++;
}

Chunk::Chunk(const Chunk& other) {
  for (uint32_t i = 0; i < kChunkPages; i++) {
    entry[i].store(other.entry[i].load(std::memory_order_relaxed), std::memory_order_relaxed);
  }
  LiveCounts::chunks++;
}

static void Unref(Chunk* chunk) {
  if (chunk == nullptr || --chunk->refs > 0) return;
  delete chunk;
  LiveCounts::chunks--;
}

View::View(uint32_t id, const ViewFacts& facts)
    : id(id),
      txid(facts.txid),
      timestamp(facts.timestamp),
      commit(facts.commit),
      counter(facts.counter),
      cookie_shift(facts.cookie_shift),
      cache(facts.cache),
      hydrated(facts.hydrated),
      chunk_count(ChunksOf(facts.commit)),
      chunks(new std::atomic<Chunk*>[chunk_count]) {
  for (uint32_t i = 0; i < chunk_count; i++) chunks[i].store(nullptr, std::memory_order_relaxed);
  LiveCounts::views++;
}

View::~View() {
  for (uint32_t i = 0; i < chunk_count; i++) Unref(chunks[i].load(std::memory_order_relaxed));
  LiveCounts::views--;
}

bool View::SetHydrated(uint32_t pgno) {
  if (hydrated == nullptr || !Has(pgno) || pgno > hydrated->pages()) return false;
  Set(pgno, kHydrated);
  return true;
}

void View::Set(uint32_t pgno, PageEntry entry) {
  if (!Has(pgno)) return;
  auto& place = chunks[(pgno - 1) / kChunkPages];
  Chunk* chunk = place.load(std::memory_order_relaxed);
  if (chunk == nullptr) {
    if (entry == kAbsent) return;
    chunk = new Chunk();
    place.store(chunk, std::memory_order_release);
  }
  chunk->entry[(pgno - 1) % kChunkPages].store(entry, std::memory_order_release);
}

Replica::Replica(uint32_t id, std::string key) : id(id), key(std::move(key)) { LiveCounts::replicas++; }

Replica::~Replica() { LiveCounts::replicas--; }

View* Replica::ReadLock(Reader* reader) {
  View* travelled = reader->travelled.load(std::memory_order_acquire);
  if (travelled != nullptr) {
    reader->pinned.store(travelled, std::memory_order_seq_cst);
    return travelled;
  }
  for (;;) {
    View* view = current.load(std::memory_order_seq_cst);
    reader->pinned.store(view, std::memory_order_seq_cst);
    // If the pinned view is still the current view, the worker cannot have retired the view before
    // the pin became visible.
    if (current.load(std::memory_order_seq_cst) == view) return view;
  }
}

PinnedView::PinnedView(Replica* replica, Reader* reader, View* held)
    : replica_(replica), reader_(reader), held_(held), view_(held != nullptr ? held : replica->ReadLock(reader)) {}

PinnedView::~PinnedView() {
  if (held_ == nullptr) replica_->ReadUnlock(reader_);
}

size_t Replica::Sharing(const HydratedFile* file) const {
  size_t count = 0;
  for (auto& entry : views_) {
    if (entry.second->hydrated.get() == file) count++;
  }
  return count;
}

uint32_t Replica::SharedPages(const HydratedFile* file) const {
  uint32_t pages = 0;
  for (auto& entry : views_) {
    if (entry.second->hydrated.get() == file) pages = std::max(pages, entry.second->commit);
  }
  return pages;
}

void Replica::ReadUnlock(Reader* reader) { reader->pinned.store(nullptr, std::memory_order_seq_cst); }

bool Replica::ReadResident(Reader* reader, const View* view, uint32_t pgno, uint32_t offset, uint8_t* dst, uint32_t size) {
  PageEntry entry = view->Lookup(pgno);
  if (entry == kAbsent) return false;
  if (entry == kHydrated) {
    memcpy(dst, view->hydrated->Page(pgno) + offset, size);
    if (view->hydrated->hurt()) return false;
  } else {
    uint32_t slot = uint32_t(entry);
    reader->copying.store(slot + 1, std::memory_order_seq_cst);
    if (view->cache->Generation(slot) != uint32_t(entry >> 32)) {
      reader->copying.store(0, std::memory_order_release);
      return false;
    }
    memcpy(dst, view->cache->Data(slot) + offset, size);
    PageCache::FirstRead first = view->cache->Touch(slot);
    if (first.trigger) reader->triggered = pgno;
    CountAhead(first.ahead, &AheadCounts::used);
    reader->copying.store(0, std::memory_order_seq_cst);
  }
  // Only the connection's thread writes `hits`, so the increment needs no atomic read-modify-write.
  reader->hits.store(reader->hits.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  return true;
}

std::shared_ptr<Reader> Replica::AddReader() {
  std::lock_guard<std::mutex> lock(mutex_);
  readers_.push_back(std::make_shared<Reader>(next_reader_++));
  LiveCounts::readers++;
  return readers_.back();
}

void Replica::RemoveReader(const std::shared_ptr<Reader>& reader) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (size_t i = 0; i < readers_.size(); i++) {
    if (readers_[i] != reader) continue;
    closed_hits_ += reader->hits.load(std::memory_order_relaxed);
    closed_misses_ += reader->misses.load(std::memory_order_relaxed);
    readers_.erase(readers_.begin() + long(i));
    LiveCounts::readers--;
    return;
  }
}

void Replica::SetError(const std::string& code, const std::string& message) {
  std::lock_guard<std::mutex> lock(mutex_);
  error_ = code.empty() ? message : code + ": " + message;
}

std::string Replica::Error() {
  std::lock_guard<std::mutex> lock(mutex_);
  return error_;
}

void Replica::SetHydrationPath(const std::string& path) {
  std::lock_guard<std::mutex> lock(mutex_);
  hydration_path_ = path;
}

std::string Replica::HydrationPath() {
  std::lock_guard<std::mutex> lock(mutex_);
  return hydration_path_;
}

Replica::Counts Replica::Count() {
  std::lock_guard<std::mutex> lock(mutex_);
  Counts counts;
  counts.hits = closed_hits_;
  counts.misses = closed_misses_;
  counts.readers = readers_.size();
  for (auto& reader : readers_) {
    counts.hits += reader->hits.load(std::memory_order_relaxed);
    counts.misses += reader->misses.load(std::memory_order_relaxed);
  }
  return counts;
}

View* Replica::AddView(View* base, const ViewFacts& facts, const uint32_t* changed, size_t changed_count) {
  const uint32_t commit = facts.commit;
  auto view = std::make_unique<View>(next_view_++, facts);
  // A page table entry refers to a slot of one particular cache or to a page of one particular
  // hydration file. The created view can share chunks with `base` only if both views have the same
  // cache and `base` has no other hydration file.
  if (base != nullptr && base->cache == facts.cache && (base->hydrated == nullptr || base->hydrated == facts.hydrated)) {
    uint32_t shared = std::min(base->chunk_count, view->chunk_count);
    for (uint32_t i = 0; i < shared; i++) {
      Chunk* chunk = base->chunks[i].load(std::memory_order_relaxed);
      if (chunk != nullptr) chunk->refs++;
      view->chunks[i].store(chunk, std::memory_order_relaxed);
    }
    // Returns chunk i of the created view, so that the caller can change the chunk. If `base`
    // shares the chunk, `own` first clones the chunk, so that `base` does not change.
    auto own = [&](uint32_t i) -> Chunk* {
      Chunk* chunk = view->chunks[i].load(std::memory_order_relaxed);
      if (chunk == nullptr || chunk->refs == 1) return chunk;
      Chunk* clone = new Chunk(*chunk);
      chunk->refs--;
      view->chunks[i].store(clone, std::memory_order_relaxed);
      return clone;
    };
    for (size_t i = 0; i < changed_count; i++) {
      if (changed[i] == 0 || changed[i] > commit) continue;
      uint32_t index = (changed[i] - 1) / kChunkPages;
      if (index >= shared) continue;
      Chunk* chunk = own(index);
      if (chunk != nullptr) chunk->entry[(changed[i] - 1) % kChunkPages].store(kAbsent, std::memory_order_relaxed);
    }
    // If the created view has fewer pages than `base`, clears the entries of the last chunk for the
    // pages above `commit`. If these entries remained, a later view with more pages would read
    // outdated content.
    if (commit < base->commit && view->chunk_count > 0) {
      Chunk* chunk = own(view->chunk_count - 1);
      if (chunk != nullptr) {
        for (uint32_t i = (commit - 1) % kChunkPages + 1; i < kChunkPages; i++) {
          chunk->entry[i].store(kAbsent, std::memory_order_relaxed);
        }
      }
    }
  }
  View* result = view.get();
  views_[result->id] = std::move(view);
  return result;
}

View* Replica::FindView(uint32_t view_id) {
  auto it = views_.find(view_id);
  return it == views_.end() ? nullptr : it->second.get();
}

void Replica::Publish(View* view) {
  View* before = current.exchange(view, std::memory_order_seq_cst);
  if (before != nullptr && before != view) before->retired = true;
}

void Replica::Retire(View* view) { view->retired = true; }

bool Replica::Pinned(const View* view) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (auto& reader : readers_) {
    if (reader->pinned.load(std::memory_order_seq_cst) == view) return true;
    if (reader->travelled.load(std::memory_order_seq_cst) == view) return true;
  }
  return false;
}

std::vector<uint32_t> Replica::Collect() {
  std::vector<uint32_t> left;
  for (auto it = views_.begin(); it != views_.end();) {
    View* view = it->second.get();
    if (view->retired && view != current.load(std::memory_order_relaxed) && !Pinned(view)) {
      it = views_.erase(it);
    } else {
      left.push_back(view->id);
      ++it;
    }
  }
  return left;
}

void Replica::AwaitReaders(uint32_t slot) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (auto& reader : readers_) {
    while (reader->copying.load(std::memory_order_seq_cst) == slot + 1) std::this_thread::yield();
  }
}

}  // namespace litestream
