// The k-way merge of a compaction reads page frames of several LTX files, keeps each page's frame
// from the newest file, and copies payloads unchanged.
#pragma once
#include <vector>

#include "ltx/ltx_codec.h"

namespace litestream {

enum class MergeStatus : int {
  kDone = 0,         // every input is at its end marker
  kOutputFull = 1,   // the output buffer is full: write it out and call again
  kNeedInput = 2,    // input `at` needs more bytes
  kFault = 3,        // input `at` is damaged, see `fault`
  kIncomplete = 4,   // the output must hold every page, and page `missing` is in no input
};

enum class MergeFault : int {
  kNone = 0,
  kBadHeader = 2,     // as FrameError
  kBadPayload = 3,    // as FrameError
  kOrder = 10,        // page numbers do not ascend
  kLockPage = 11,     // the file contains the lock page
  kBeyondCommit = 12, // a page beyond the file's commit
  kMissing = 13,      // a page is missing in a file that must contain every page
};

struct MergeInput {
  uint32_t commit;
  bool snapshot;         // the file begins at TXID 1, so it must contain every page
  uint64_t crc;          // CRC of the file so far, header included
  uint64_t offset;       // offset of the next frame in the file
  uint64_t index_crc = 0;   // CRC of the page index that the file must have
  uint64_t index_size = 0;  // size of the page index so far, in bytes, without the final 0
  std::vector<uint8_t> index_rest;  // entries that index_crc does not contain yet
  uint32_t last_pgno = 0;
  uint32_t pgno = 0;     // page of the next frame; 0: the frame was not read yet
  uint32_t frames = 0;
  bool done = false;
};

// The unread bytes of one input. Step advances `used`.
struct MergeBytes {
  const uint8_t* data;
  size_t size;
  size_t used;
};

// A run of frames that are adjacent in one input. After the bytes in Step's output buffer, the
// caller writes the run directly from the memory of the input.
struct MergeRun {
  size_t input = 0;
  const uint8_t* data = nullptr;
  size_t size = 0;
};

// Only one thread at a time may use a FrameMerger. A FrameMerger keeps one page and the output's
// page index in memory. The page index takes about 9 bytes per page.
class FrameMerger {
 public:
  // `inputs` are in ascending order of their TXIDs. `commit` is the database size in pages from the
  // header of the newest input. `offset` is the file offset of the output's first frame. Before the
  // call, the caller must check `page_size` and the database size of every input (ltx/limits.h).
  FrameMerger(uint32_t page_size, uint32_t commit, bool snapshot, uint64_t crc, uint64_t offset,
              std::vector<MergeInput> inputs);

  // `bytes` has one element per input. In the next call, the caller first passes the unused bytes
  // of the previous call again, and then the next bytes of the input. If the size of *run is not 0,
  // the caller writes the bytes of *run to the output file after the bytes in `out`.
  MergeStatus Step(std::vector<MergeBytes>& bytes, uint8_t* out, size_t room, size_t* written, MergeRun* run);

  size_t input_count() const { return inputs_.size(); }
  const MergeInput& input(size_t i) const { return inputs_[i]; }
  size_t at() const { return at_; }
  MergeFault fault() const { return fault_; }
  uint32_t missing() const { return missing_; }
  uint64_t crc() const { return crc_; }
  uint32_t frames() const { return frames_; }
  // Returns the entries of the output's page index. The final 0 and the length of the index are not
  // included.
  const std::vector<uint8_t>& index() const { return index_; }

 private:
  // Reads the header of the next frame of input i. If input i needs more bytes or the frame is
  // damaged, sets status_ to kNeedInput or kFault and returns false.
  bool Peek(size_t i, const MergeBytes& bytes);
  // Returns whether `bytes` contains the whole next frame of input i.
  bool Whole(size_t i, const MergeBytes& bytes);
  // Updates the file checksum `crc` with `frame`. The decoded page of the frame is in page_. If the
  // frame has a size field, `own` must be the CRC of the bytes of this frame.
  uint64_t Sum(uint64_t crc, const uint8_t* frame, uint64_t own) const;
  MergeStatus StepFrames(std::vector<MergeBytes>& bytes, uint8_t* out, size_t room, size_t* written);
  void Emit(uint32_t pgno, size_t input, const uint8_t* frame, size_t size, uint64_t own, uint8_t* out, size_t* written);
  // If the current run has less than kShortRun bytes, copies the run to the output. For a run of
  // kShortRun bytes or more, returns false and does not copy the run.
  bool EndShortRun(uint8_t* out, size_t* written);
  static void SumIndex(MergeInput& in);
  // Returns whether `pgno` can be the next page number in a snapshot. If `pgno` cannot be the next
  // page number, sets status_ to kIncomplete.
  bool Follows(uint32_t pgno);
  MergeStatus Fail(size_t i, MergeFault fault);

  // A run below 64 KiB is copied to the output, because a separate write of this run would cost
  // more than the copy.
  static constexpr size_t kShortRun = 64 * 1024;

  MergeRun run_;
  const uint32_t page_size_;
  const uint32_t commit_;
  const uint32_t lock_pgno_;
  const bool snapshot_;
  uint64_t crc_;
  uint64_t offset_;
  uint32_t last_pgno_ = 0;
  uint32_t frames_ = 0;
  std::vector<uint8_t> index_;
  std::vector<MergeInput> inputs_;
  std::vector<uint8_t> page_;
  FrameEncoder encoder_;
  // Adds the CRC of a copied frame to the checksums of the input and the output, so that the merger
  // computes each frame's CRC only once.
  const Crc64Append append_;
  size_t at_ = 0;
  MergeFault fault_ = MergeFault::kNone;
  uint32_t missing_ = 0;
  MergeStatus status_ = MergeStatus::kDone;
};

}  // namespace litestream
