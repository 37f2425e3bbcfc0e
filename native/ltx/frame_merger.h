// The k-way merge of a compaction. The merge reads the page frames of several LTX files. If several
// files contain a page, the merge keeps only the page's frame in the newest of these files. The
// merge copies a frame with a size field unchanged.
#pragma once
#include <vector>

#include "ltx/ltx_codec.h"

namespace litestream {

enum class MergeStatus : int {
  kDone = 0,         // every input is at its end marker
  kOutputFull = 1,   // the output buffer is full: write its bytes and call Step again
  kNeedInput = 2,    // input at() needs more bytes
  kFault = 3,        // input at() is damaged, see fault()
  kIncomplete = 4,   // the output must contain every page, and no input has page missing()
};

enum class MergeFault : int {
  kNone = 0,
  kBadHeader = 2,     // as FrameError
  kBadPayload = 3,    // as FrameError
  kOrder = 10,        // page numbers do not ascend
  kLockPage = 11,     // the file contains the lock page
  kBeyondCommit = 12, // a page number above the database size
  kMissing = 13,      // a page is missing in a file that must contain every page
};

struct MergeInput {
  uint32_t commit;
  bool snapshot;         // the file begins at TXID 1, so it must contain every page
  uint64_t crc;          // file checksum of the header and the frames read so far
  uint64_t offset;       // file offset of the next frame
  uint64_t index_crc = 0;   // CRC of the index entries of the frames read so far
  uint64_t index_size = 0;  // size in bytes of the entries that index_crc covers
  std::vector<uint8_t> index_rest;  // encoded entries that index_crc does not cover yet
  uint32_t last_pgno = 0;
  uint32_t pgno = 0;     // page number of the next frame; 0: its header was not read yet
  uint32_t frames = 0;
  bool done = false;
};

// The bytes of one input file that are in memory. Step sets `used` to the number of bytes that it
// has read from `data`.
struct MergeBytes {
  const uint8_t* data;
  size_t size;
  size_t used;
};

// A run of frames that are adjacent in the input with the index `input`. `data` points into the
// MergeBytes of the input, so that the caller can write the run without a copy.
struct MergeRun {
  size_t input = 0;
  const uint8_t* data = nullptr;
  size_t size = 0;
};

// Only one thread at a time may use a FrameMerger. A FrameMerger keeps one decoded page and the
// output's page index in memory. The page index takes about 9 bytes per page of the output.
class FrameMerger {
 public:
  // `inputs` are in ascending order of their TXIDs. `commit` is the database size in pages from the
  // header of the newest input. If `snapshot` is true, the output must contain every page. `crc` is
  // the file checksum of the output's header. `offset` is the file offset of the output's first
  // frame. Before it calls the constructor, the caller must check `page_size` and every database
  // size against the limits in ltx/limits.h.
  FrameMerger(uint32_t page_size, uint32_t commit, bool snapshot, uint64_t crc, uint64_t offset,
              std::vector<MergeInput> inputs);

  // `bytes` has one element per input. Before each call of Step, the caller sets each element of
  // `bytes` to the unread bytes of one input, followed by the next bytes of its file. `out` has
  // room for `room` bytes. Sets *written to the number of bytes that Step has written to `out`.
  // After the call, the caller writes the bytes in `out` to the output file, and then the bytes of
  // *run (none if the size of *run is 0).
  MergeStatus Step(std::vector<MergeBytes>& bytes, uint8_t* out, size_t room, size_t* written, MergeRun* run);

  size_t input_count() const { return inputs_.size(); }
  const MergeInput& input(size_t i) const { return inputs_[i]; }
  size_t at() const { return at_; }
  MergeFault fault() const { return fault_; }
  uint32_t missing() const { return missing_; }
  uint64_t crc() const { return crc_; }
  uint32_t frames() const { return frames_; }
  // Returns the encoded entries of the output's page index. The result contains neither the zero
  // byte that ends the index nor the field with the length of the index.
  const std::vector<uint8_t>& index() const { return index_; }

 private:
  // Reads the header of the next frame of input i. If input i needs more bytes, sets status_ to
  // kNeedInput and returns false. If the header is damaged, sets status_ to kFault and returns
  // false.
  bool Peek(size_t i, const MergeBytes& bytes);
  // Returns whether `bytes` contains the whole next frame of input i. If the result is false,
  // status_ is kNeedInput or kFault.
  bool Whole(size_t i, const MergeBytes& bytes);
  // Returns the file checksum `crc`, updated with the frame at `frame`. The decoded page of the
  // frame is in page_. If the frame has a size field, `own` must be the result of FrameCrc for this
  // frame with the initial value 0.
  uint64_t Sum(uint64_t crc, const uint8_t* frame, uint64_t own) const;
  MergeStatus StepFrames(std::vector<MergeBytes>& bytes, uint8_t* out, size_t room, size_t* written);
  void Emit(uint32_t pgno, size_t input, const uint8_t* frame, size_t size, uint64_t own, uint8_t* out, size_t* written);
  // If the current run has fewer than kShortRun bytes, copies the run to the output buffer `out`
  // and returns true. For a run of kShortRun bytes or more, returns false and does not copy the
  // run.
  bool EndShortRun(uint8_t* out, size_t* written);
  static void SumIndex(MergeInput& in);
  // Returns whether no page is missing between the output's last page and page `pgno`. If a page is
  // missing, sets status_ to kIncomplete and missing_ to the number of the first missing page.
  bool Follows(uint32_t pgno);
  MergeStatus Fail(size_t i, MergeFault fault);

  // Step copies a run of fewer than 64 KiB to the output buffer, because a separate write of the
  // run would cost more than the copy.
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
  // Appends the CRC of a copied frame to the file checksums of the input and the output. The merger
  // therefore computes this CRC only once.
  const Crc64Append append_;
  size_t at_ = 0;
  MergeFault fault_ = MergeFault::kNone;
  uint32_t missing_ = 0;
  MergeStatus status_ = MergeStatus::kDone;
};

}  // namespace litestream
