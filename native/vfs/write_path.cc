#include "vfs/write_path.h"

#include <algorithm>
#include <cstring>

#include "clock.h"
#include "ltx/ltx_codec.h"
#include "vfs/write_transaction.h"

namespace litestream {

namespace {

// The offsets of fields in the database header
// (https://www.sqlite.org/fileformat2.html#the_database_header).
constexpr uint32_t kPageSize = 16, kFormatVersions = 18, kChangeCounter = 24, kPageCount = 28, kSchemaCookie = 40, kVersionValidFor = 92,
                   kHeaderSize = 100;

// If a request for the RESERVED lock times out, SQLite's busy handler pauses for at most 100 ms and
// then repeats the request. The busy handler counts only its own pauses, so a repeated request
// waits only kRepeatedWaitMs milliseconds. After the timeout, the worker continues the work for the
// first request. When the work for the first request is done, the worker completes the repeated
// request. A request counts as a repeated request if a request has timed out in the last
// kRepeatedMs milliseconds.
constexpr int64_t kRepeatedMs = 1000, kRepeatedWaitMs = 100;

int64_t LockWaitMs(const Replica& replica) {
  const int64_t timeout = replica.commit_timeout.load(std::memory_order_relaxed);
  const int64_t last = replica.lock_timed_out.load(std::memory_order_relaxed);
  return last != 0 && MonotonicMs() - last < kRepeatedMs ? std::min(timeout, kRepeatedWaitMs) : timeout;
}

// Returns the SQLite result code for the worker's error code `code`, or `otherwise` if no
// particular result code corresponds to `code`.
int ResultOf(const std::string& code, int otherwise) {
  if (code == "WRITE_CONFLICT" || code == "REPLICA_FENCED") return SQLITE_BUSY_SNAPSHOT;
  if (code == "LEASE_HELD") return SQLITE_BUSY;
  if (code == "DISK_FULL") return SQLITE_FULL;
  if (code == "ACCESS_DENIED") return SQLITE_PERM;
  if (code == "WRITE_DISABLED") return SQLITE_READONLY;
  return otherwise;
}

int Refuse(ReplicaFile* file, int rc, const std::string& code, const std::string& message) {
  *file->error = code + ": " + message;
  LS_API(file->copy, log)(rc, "litestream: %s", file->error->c_str());
  return rc;
}

void DropOverlay(ReplicaFile* file) {
  file->write->reset();
  file->overlay = nullptr;
}

WriteTransaction* Overlay(ReplicaFile* file) {
  if (file->overlay == nullptr) {
    const View* view = file->view;
    *file->write = std::make_shared<WriteTransaction>(file->copy, view->commit == 0 ? 0 : view->page_size(), view->commit);
    file->overlay = file->write->get();
  }
  return file->overlay;
}

int Mismatch(ReplicaFile* file, int rc) {
  if (rc != SQLITE_MISMATCH) return rc;
  return Refuse(file, SQLITE_READONLY, "PAGE_SIZE_MISMATCH",
                "the page size of a replica cannot be changed; leave PRAGMA page_size as it is before VACUUM");
}

// Undoes the changes that PatchHeader made to page 1, so that the replica does not store them.
// `stored` is the header that the replica has stored for the view.
int RestoreHeader(ReplicaFile* file, const uint8_t* stored) {
  const View* view = file->view;
  WriteTransaction* overlay = file->overlay;
  // The first commit of an empty replica sets both format versions to 2 (WAL mode), as in the
  // database of a primary.
  uint8_t versions[2] = {2, 2};
  uint8_t counter[4];
  uint8_t cookie[4];
  int rc = overlay->Read(1, kChangeCounter, counter, 4);
  if (rc == SQLITE_OK) rc = overlay->Read(1, kSchemaCookie, cookie, 4);
  if (rc != SQLITE_OK) return rc;
  if (view->commit > 0) {
    memcpy(versions, stored + kFormatVersions, 2);
    WriteU32(counter, ReadU32(stored + kChangeCounter) + 1);
  }
  WriteU32(cookie, ReadU32(cookie) - view->cookie_shift);
  rc = overlay->Patch(1, kFormatVersions, versions, 2);
  if (rc == SQLITE_OK) rc = overlay->Patch(1, kChangeCounter, counter, 4);
  if (rc == SQLITE_OK) rc = overlay->Patch(1, kVersionValidFor, counter, 4);
  if (rc == SQLITE_OK) rc = overlay->Patch(1, kSchemaCookie, cookie, 4);
  return rc;
}

// Sends the pages of the transaction to the worker and waits for the result. If the commit
// succeeds, the connection's view becomes the view after the commit. Returns an SQLite result code.
int Commit(ReplicaFile* file) {
  Replica& replica = ReplicaOf(file);
  auto request = std::make_shared<Request>();
  request->kind = RequestKind::kCommit;
  request->replica = *file->replica;
  request->reader = *file->reader;
  request->view = file->view->id;
  request->pages = *file->write;
  request->durability = file->durability;
  // sqlite3_interrupt() does not end the wait for a commit, because the commit may already be in
  // the store.
  Outcome outcome = Bridge::Get().Ask(request, replica.commit_timeout.load(std::memory_order_relaxed));
  DropOverlay(file);
  switch (outcome) {
    case Outcome::kOk:
      if (request->committed != nullptr) file->view = request->committed;
      file->committed = true;
      return SQLITE_OK;
    case Outcome::kFailed:
      return Refuse(file, ResultOf(request->code, SQLITE_IOERR_FSYNC), request->code, request->message);
    case Outcome::kWorkerThread:
      return Refuse(file, SQLITE_IOERR_FSYNC, "WORKER_THREAD_READ", "a replica cannot be written on the replica worker's own thread");
    case Outcome::kTimeout:
    case Outcome::kWorkerGone:
    case Outcome::kInterrupted:
      break;
  }
  return Refuse(file, SQLITE_IOERR_FSYNC, "COMMIT_UNKNOWN",
                outcome == Outcome::kTimeout ? "the store did not confirm the commit in time: it may or may not have happened"
                                             : "the replica worker exited during the commit: it may or may not have happened");
}

}  // namespace

int LockForWriting(ReplicaFile* file) {
  Replica& replica = ReplicaOf(file);
  Reader* reader = file->reader->get();
  if (file->reserved) return SQLITE_OK;
  if (!file->writable || !replica.writable.load(std::memory_order_relaxed)) return SQLITE_READONLY;
  if (reader->travelled.load(std::memory_order_relaxed) != nullptr) {
    return Refuse(file, SQLITE_READONLY, "WRITE_DISABLED", "a connection that reads an earlier state cannot write");
  }
  const Reader* nobody = nullptr;
  if (!replica.writer.compare_exchange_strong(nobody, reader)) return SQLITE_BUSY;
  file->reserved = true;
  file->committed = false;
  auto request = std::make_shared<Request>();
  request->kind = RequestKind::kBegin;
  request->replica = *file->replica;
  request->reader = *file->reader;
  request->view = file->view->id;
  int rc = SQLITE_OK;
  switch (Bridge::Get().Ask(request, LockWaitMs(replica), Interrupted(file))) {
    case Outcome::kOk:
      // A commit that is based on a view other than the current view would undo all later commits.
      if (replica.current.load(std::memory_order_seq_cst) != file->view) rc = SQLITE_BUSY_SNAPSHOT;
      break;
    case Outcome::kFailed:
      // After a WRITE_CONFLICT, the commits in the local write buffer can never reach the store, so
      // every later request for the RESERVED lock would also fail.
      rc = Refuse(file, request->code == "WRITE_CONFLICT" ? SQLITE_READONLY : ResultOf(request->code, SQLITE_IOERR_LOCK),
                  request->code, request->message);
      break;
    case Outcome::kInterrupted:
      rc = SQLITE_INTERRUPT;
      break;
    case Outcome::kTimeout:
      replica.lock_timed_out.store(MonotonicMs(), std::memory_order_relaxed);
      rc = Refuse(file, SQLITE_BUSY, "TIMEOUT", "the right to write was not obtained in time");
      break;
    case Outcome::kWorkerGone:
    case Outcome::kWorkerThread:
      rc = Refuse(file, SQLITE_IOERR_LOCK, "WORKER_EXITED", "the replica worker is not running");
      break;
  }
  if (rc != SQLITE_OK) EndWriting(file);
  return rc;
}

void EndWriting(ReplicaFile* file) {
  if (!file->reserved) return;
  DropOverlay(file);
  file->reserved = false;
  ReplicaOf(file).writer.store(nullptr);
}

int WritePage(ReplicaFile* file, const void* page, int size, sqlite3_int64 offset) {
  if (!file->reserved) return SQLITE_READONLY;
  return Mismatch(file, Overlay(file)->Write(page, uint32_t(size), uint64_t(offset)));
}

int TruncateDatabase(ReplicaFile* file, sqlite3_int64 size) {
  if (!file->reserved) return SQLITE_READONLY;
  // After a commit, SQLite truncates the file to the database size in page 1. The view after the
  // commit already has the truncated size.
  const View* view = file->view;
  if (file->overlay == nullptr && uint64_t(size) == uint64_t(view->commit) * view->page_size()) return SQLITE_OK;
  return Mismatch(file, Overlay(file)->Truncate(uint64_t(size)));
}

// SQLite syncs the database file during a commit, and after a rollback that has written the
// previous content of pages. In a commit, the change counter in page 1 of the overlay differs from
// the view's change counter. After a rollback, either the two change counters are equal, or the
// overlay does not contain page 1. In exclusive locking mode, SQLite increments the change counter
// only in the first transaction, so that CommitAtSync could not distinguish a commit from a
// rollback. CommitAtSync therefore refuses exclusive locking mode.
int CommitAtSync(ReplicaFile* file) {
  WriteTransaction* overlay = file->overlay;
  if (overlay == nullptr) return SQLITE_OK;
  const View* view = file->view;
  uint8_t header[kHeaderSize] = {};
  bool counted = false;
  if (overlay->Has(1)) {
    int rc = overlay->Read(1, 0, header, kHeaderSize);
    if (rc != SQLITE_OK) return rc;
    counted = view->commit == 0 || ReadU32(header + kChangeCounter) != view->counter;
  }
  if (!counted && file->committed && overlay->changed()) {
    DropOverlay(file);
    return Refuse(file, SQLITE_IOERR_FSYNC, "WRITE_DISABLED", "PRAGMA locking_mode=EXCLUSIVE is not supported for a replica");
  }
  if (!counted) {
    DropOverlay(file);
    return SQLITE_OK;
  }
  // A VACUUM that changes the page size writes pages of the new size in pieces of the view's page
  // size. CommitAtSync must refuse such a VACUUM. In the database header, the value 1 means a page
  // size of 65,536 bytes.
  const uint32_t page_size = (uint32_t(header[kPageSize]) << 8) | header[kPageSize + 1];
  if ((page_size == 1 ? 65536 : page_size) != overlay->page_size()) {
    DropOverlay(file);
    return Mismatch(file, SQLITE_MISMATCH);
  }
  uint8_t stored[kHeaderSize] = {};
  // If a transaction makes the database smaller, page 1 already has the smaller database size, but
  // SQLite truncates the file only after the commit. If a transaction makes the database larger,
  // SQLite has already written pages beyond the view's end.
  const uint32_t pages = ReadU32(header + kPageCount), commit = overlay->commit();
  if (pages == 0 || pages > commit) {
    DropOverlay(file);
    return Refuse(file, SQLITE_CORRUPT, "DATABASE_INVALID",
                  "page 1 counts " + std::to_string(pages) + " pages, the transaction has " + std::to_string(commit));
  }
  int rc = overlay->Truncate(uint64_t(pages) * overlay->page_size());
  if (rc == SQLITE_OK && view->commit > 0) rc = ReadStored(file, view, 1, 0, stored, kHeaderSize);
  if (rc == SQLITE_OK) rc = RestoreHeader(file, stored);
  if (rc == SQLITE_OK) rc = overlay->Seal();
  if (rc != SQLITE_OK) {
    DropOverlay(file);
    return rc;
  }
  return Commit(file);
}

int FlushWrites(ReplicaFile* file, std::string* error) {
  if (!ReplicaOf(file).writable.load(std::memory_order_relaxed)) return SQLITE_OK;
  auto request = std::make_shared<Request>();
  request->kind = RequestKind::kFlush;
  request->replica = *file->replica;
  request->reader = *file->reader;
  Outcome outcome = Bridge::Get().Ask(request, ReplicaOf(file).commit_timeout.load(std::memory_order_relaxed), Interrupted(file));
  if (outcome == Outcome::kOk) return SQLITE_OK;
  *error = outcome == Outcome::kFailed    ? request->code + ": " + request->message
           : outcome == Outcome::kTimeout ? "TIMEOUT: not every commit is in the store yet"
                                          : "WORKER_EXITED: the replica worker is not running";
  return outcome == Outcome::kInterrupted ? SQLITE_INTERRUPT : SQLITE_ERROR;
}

}  // namespace litestream
