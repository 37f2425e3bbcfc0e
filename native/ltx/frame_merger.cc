#include "ltx/frame_merger.h"

#include <cstring>

#include "ltx/limits.h"

namespace litestream {
namespace {

size_t PutUvarint(uint8_t* dst, uint64_t v) {
  size_t n = 0;
  for (; v >= 0x80; v >>= 7) dst[n++] = uint8_t(v) | 0x80;
  dst[n++] = uint8_t(v);
  return n;
}

size_t PutIndexEntry(uint8_t* dst, uint32_t pgno, uint64_t offset, uint64_t size) {
  size_t n = PutUvarint(dst, pgno);
  n += PutUvarint(dst + n, offset);
  return n + PutUvarint(dst + n, size);
}

constexpr size_t kMaxIndexEntry = 5 + 10 + 5;

// During a call of Step, the merger collects at least kIndexPiece bytes of a page index for each
// update of the index CRC. Many short updates would be slow.
constexpr size_t kIndexPiece = 4096;

}  // namespace

FrameMerger::FrameMerger(uint32_t page_size, uint32_t commit, bool snapshot, uint64_t crc, uint64_t offset,
                         std::vector<MergeInput> inputs)
    : page_size_(page_size), commit_(commit), lock_pgno_(LockPgno(page_size)), snapshot_(snapshot),
      crc_(crc), offset_(offset), inputs_(std::move(inputs)), page_(page_size),
      append_(kFrameHeaderSize + page_size) {}

MergeStatus FrameMerger::Fail(size_t i, MergeFault fault) {
  at_ = i;
  fault_ = fault;
  return status_ = MergeStatus::kFault;
}

bool FrameMerger::Peek(size_t i, const MergeBytes& bytes) {
  MergeInput& in = inputs_[i];
  if (in.done || in.pgno != 0) return true;
  const uint8_t* src = bytes.data + bytes.used;
  if (bytes.size - bytes.used < kPageHeaderSize) {
    at_ = i;
    status_ = MergeStatus::kNeedInput;
    return false;
  }
  const uint32_t pgno = ReadU32(src);
  uint32_t next = in.last_pgno + 1;
  if (next == lock_pgno_) next++;
  if (IsEndMarker(src)) {
    if (in.snapshot && next <= in.commit) {
      Fail(i, MergeFault::kMissing);
      return false;
    }
    in.done = true;
    return true;
  }
  const MergeFault fault = pgno == 0                        ? MergeFault::kBadHeader
                           : pgno == lock_pgno_             ? MergeFault::kLockPage
                           : pgno <= in.last_pgno           ? MergeFault::kOrder
                           : pgno > in.commit               ? MergeFault::kBeyondCommit
                           : in.snapshot && pgno != next    ? MergeFault::kMissing
                                                            : MergeFault::kNone;
  if (fault != MergeFault::kNone) {
    Fail(i, fault);
    return false;
  }
  in.pgno = pgno;
  return true;
}

bool FrameMerger::Whole(size_t i, const MergeBytes& bytes) {
  const uint8_t* src = bytes.data + bytes.used;
  const size_t left = bytes.size - bytes.used;
  FrameError error = FrameError::kNone;
  if (left < kPageHeaderSize) {
    error = FrameError::kTruncated;
  } else if (ReadU32(src) != inputs_[i].pgno) {
    error = FrameError::kBadHeader;  // not the frame whose header Peek has read
  } else if (uint16_t((src[4] << 8) | src[5]) != kFrameHasSize) {
    // If a frame has no size field, its encoded size is known only after the frame is decoded.
    uint32_t pgno = 0;
    size_t used = 0;
    error = DecodeFrame(src, left, false, page_size_, page_.data(), &pgno, &used);
  } else if (left < kFrameHeaderSize) {
    error = FrameError::kTruncated;
  } else {
    const size_t payload = ReadU32(src + kPageHeaderSize);
    if (payload == 0 || payload > MaxFrameSize(page_size_) - kFrameHeaderSize) error = FrameError::kBadHeader;
    else if (payload > left - kFrameHeaderSize) error = FrameError::kTruncated;
  }
  if (error == FrameError::kNone) return true;
  at_ = i;
  if (error == FrameError::kTruncated) status_ = MergeStatus::kNeedInput;
  else Fail(i, MergeFault(int(error)));
  return false;
}

uint64_t FrameMerger::Sum(uint64_t crc, const uint8_t* frame, uint64_t own) const {
  if (frame[5] & kFrameHasSize) return append_(crc, own);
  return FrameCrc(crc, frame, page_.data(), page_size_);
}

void FrameMerger::Emit(uint32_t pgno, size_t input, const uint8_t* frame, size_t size, uint64_t own, uint8_t* out,
                       size_t* written) {
  if ((frame[5] & kFrameHasSize) == 0) {
    // Every frame of the output must have a size field, so the merger encodes the page of a frame
    // without a size field again.
    uint8_t* dst = out + *written;
    size = encoder_.Encode(pgno, page_.data(), page_size_, dst);
    crc_ = FrameCrc(crc_, dst, page_.data(), page_size_);
    *written += size;
  } else {
    if (run_.size == 0) run_ = {input, frame, 0};
    run_.size += size;
    crc_ = append_(crc_, own);
  }
  uint8_t entry[kMaxIndexEntry];
  const size_t n = PutIndexEntry(entry, pgno, offset_, size);
  index_.insert(index_.end(), entry, entry + n);
  offset_ += size;
  last_pgno_ = pgno;
  frames_++;
}

bool FrameMerger::EndShortRun(uint8_t* out, size_t* written) {
  if (run_.size >= kShortRun) return false;
  if (run_.size > 0) memcpy(out + *written, run_.data, run_.size);
  *written += run_.size;
  run_ = {};
  return true;
}

void FrameMerger::SumIndex(MergeInput& in) {
  in.index_crc = Crc64(in.index_crc, in.index_rest.data(), in.index_rest.size());
  in.index_size += in.index_rest.size();
  in.index_rest.clear();
}

bool FrameMerger::Follows(uint32_t pgno) {
  uint32_t next = last_pgno_ + 1;
  if (next == lock_pgno_) next++;
  if (next >= pgno) return true;
  missing_ = next;
  status_ = MergeStatus::kIncomplete;
  return false;
}

MergeStatus FrameMerger::Step(std::vector<MergeBytes>& bytes, uint8_t* out, size_t room, size_t* written,
                              MergeRun* run) {
  *written = 0;
  const MergeStatus status = StepFrames(bytes, out, room, written);
  for (MergeInput& in : inputs_) SumIndex(in);
  EndShortRun(out, written);
  *run = run_;
  run_ = {};
  return status;
}

MergeStatus FrameMerger::StepFrames(std::vector<MergeBytes>& bytes, uint8_t* out, size_t room, size_t* written) {
  for (;;) {
    uint32_t pgno = UINT32_MAX;
    for (size_t i = 0; i < inputs_.size(); i++) {
      if (!Peek(i, bytes[i])) return status_;
      if (!inputs_[i].done && inputs_[i].pgno < pgno) pgno = inputs_[i].pgno;
    }
    const bool end = pgno == UINT32_MAX;
    if (snapshot_ && !Follows(pgno <= commit_ ? pgno : commit_ + 1)) return status_;
    if (end) return status_ = MergeStatus::kDone;
    size_t newest = 0;
    for (size_t i = 0; i < inputs_.size(); i++) {
      if (inputs_[i].done || inputs_[i].pgno != pgno) continue;
      if (!Whole(i, bytes[i])) return status_;
      newest = i;
    }
    const bool emits = pgno <= commit_;
    const uint8_t* next = bytes[newest].data + bytes[newest].used;
    const bool continues =
        run_.size > 0 && run_.input == newest && run_.data + run_.size == next && (next[5] & kFrameHasSize) != 0;
    if (emits && !continues && !EndShortRun(out, written)) return status_ = MergeStatus::kOutputFull;
    // The output buffer must have room for one encoded frame of the maximum size. Step copies a run
    // of fewer than kShortRun bytes to the output buffer, so the buffer must also have room for
    // such a run.
    const size_t uncopied = run_.size < kShortRun ? run_.size : 0;
    if (room - *written < uncopied + MaxFrameSize(page_size_)) return status_ = MergeStatus::kOutputFull;
    for (size_t i = 0; i < inputs_.size(); i++) {
      MergeInput& in = inputs_[i];
      if (in.done || in.pgno != pgno) continue;
      MergeBytes& from = bytes[i];
      const uint8_t* src = from.data + from.used;
      uint32_t same = 0;
      size_t used = 0;
      const FrameError error =
          DecodeFrame(src, from.size - from.used, false, page_size_, page_.data(), &same, &used);
      if (error != FrameError::kNone) return Fail(i, MergeFault(int(error)));
      const bool emit = i == newest && emits;
      const uint64_t own = emit ? FrameCrc(0, src, page_.data(), page_size_) : 0;
      in.crc = emit ? Sum(in.crc, src, own) : FrameCrc(in.crc, src, page_.data(), page_size_);
      uint8_t entry[kMaxIndexEntry];
      const size_t n = PutIndexEntry(entry, pgno, in.offset, used);
      in.index_rest.insert(in.index_rest.end(), entry, entry + n);
      if (in.index_rest.size() >= kIndexPiece) SumIndex(in);
      in.offset += used;
      in.last_pgno = pgno;
      in.pgno = 0;
      in.frames++;
      if (emit) Emit(pgno, i, src, used, own, out, written);
      from.used += used;
    }
  }
}

}  // namespace litestream
