// The k-way merge of a compaction: page frames of several LTX files, the newest file's page wins, payloads copied as they are.
#pragma once
#include <vector>

#include "ltx/ltx_codec.h"

namespace litestream {

enum class MergeStatus : int {
  kDone = 0,         // every input stands at its end marker
  kOutputFull = 1,   // take what is in the output and call again
  kNeedInput = 2,    // input `at` must get more bytes
  kFault = 3,        // input `at` is damaged, see `fault`
  kIncomplete = 4,   // the output must hold every page, and page `missing` is in no input
};

enum class MergeFault : int {
  kNone = 0,
  kBadHeader = 2,     // as FrameError
  kBadPayload = 3,    // as FrameError
  kOrder = 10,        // page numbers do not ascend
  kLockPage = 11,     // the lock page is stored
  kBeyondCommit = 12, // a page beyond the file's commit
  kMissing = 13,      // a page is missing in a file that must have all
};

struct MergeInput {
  uint32_t commit;
  bool snapshot;         // begins at TXID 1: must hold every page
  uint64_t crc;          // of the file so far, header included
  uint64_t offset;       // where in the file the next frame begins
  uint64_t index_crc = 0;   // of the page index as it must stand in the file
  uint64_t index_size = 0;  // its bytes so far, without the 0 that ends it
  uint32_t last_pgno = 0;
  uint32_t pgno = 0;     // of the frame at hand; 0: not looked at yet
  uint32_t frames = 0;
  bool done = false;
};

// Bytes at hand of one input; `used` is advanced.
struct MergeBytes {
  const uint8_t* data;
  size_t size;
  size_t used;
};

// Not for two threads at once. Memory: one page, and the output's page index (some 9 bytes a page).
class FrameMerger {
 public:
  // Inputs in order of their TXIDs, oldest first. `commit` is that of the newest. `offset` is where the output's first frame lies.
  // `page_size` and every commit are possible ones (ltx/limits.h).
  FrameMerger(uint32_t page_size, uint32_t commit, bool snapshot, uint64_t crc, uint64_t offset,
              std::vector<MergeInput> inputs);

  // `bytes`: one for each input. What was not used of an input comes again, in front of its next bytes.
  MergeStatus Step(std::vector<MergeBytes>& bytes, uint8_t* out, size_t room, size_t* written);

  size_t input_count() const { return inputs_.size(); }
  const MergeInput& input(size_t i) const { return inputs_[i]; }
  size_t at() const { return at_; }
  MergeFault fault() const { return fault_; }
  uint32_t missing() const { return missing_; }
  uint64_t crc() const { return crc_; }
  uint32_t frames() const { return frames_; }
  // The output's index: entries only, no 0 at the end, no length.
  const std::vector<uint8_t>& index() const { return index_; }

 private:
  // Looks at the next frame of input i. False: more bytes are needed, or it is damaged (status_ says which).
  bool Peek(size_t i, const MergeBytes& bytes);
  // Whether all of the frame at hand is there.
  bool Whole(size_t i, const MergeBytes& bytes);
  // Continues a file checksum over the frame whose page is at hand. `own` is the CRC of that frame alone, if it has a size.
  uint64_t Sum(uint64_t crc, const uint8_t* frame, uint64_t own) const;
  void Emit(uint32_t pgno, const uint8_t* frame, size_t size, uint64_t own, uint8_t* out, size_t* written);
  // Whether a snapshot's next page may be `pgno`; else kIncomplete.
  bool Follows(uint32_t pgno);
  MergeStatus Fail(size_t i, MergeFault fault);

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
  // A frame that is copied is summed once, and its sum appended to the checksums of both files.
  const Crc64Append append_;
  size_t at_ = 0;
  MergeFault fault_ = MergeFault::kNone;
  uint32_t missing_ = 0;
  MergeStatus status_ = MergeStatus::kDone;
};

}  // namespace litestream
