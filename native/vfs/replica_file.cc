#include "vfs/replica_file.h"

#include <cstring>

#include "clock.h"
#include "ltx/limits.h"
#include "ltx/ltx_codec.h"
#include "replica/btree.h"
#include "vfs/database_header.h"
#include "vfs/refused_file.h"
#include "vfs/replica_uri.h"
#include "vfs/write_path.h"
#include "vfs/write_transaction.h"

namespace litestream {

namespace {

// The worker's own timeout for opening a replica is normally shorter than kOpenTimeoutMs, so the
// request normally ends before kOpenTimeoutMs.
constexpr int64_t kOpenTimeoutMs = 3600 * 1000;

ReplicaFile* Self(sqlite3_file* file) { return reinterpret_cast<ReplicaFile*>(file); }

// Stores the reason why a read fails with `rc`, and returns `rc`. Fail stores the reason in the
// connection, because the next poll may change the replica's error before the application asks for
// the reason.
int Fail(ReplicaFile* file, int rc, const std::string& code, const std::string& message) {
  *file->error = code + ": " + message;
  ReplicaOf(file).SetError(code, message);
  LS_API(file->copy, log)(rc, "litestream: %s", file->error->c_str());
  return rc;
}

int ReadMiss(ReplicaFile* file, const View* view, uint32_t pgno, uint32_t offset, uint8_t* dst, uint32_t size) {
  Replica& replica = ReplicaOf(file);
  Reader& reader = **file->reader;
  reader.misses.store(reader.misses.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  auto request = std::make_shared<Request>();
  request->kind = RequestKind::kPage;
  request->replica = *file->replica;
  request->reader = *file->reader;
  request->view = view->id;
  request->pgno = pgno;
  request->index_leaf = reader.index_leaf;
  request->dst = dst;
  request->dst_offset = offset;
  request->dst_size = size;
  switch (Bridge::Get().Ask(request, replica.read_timeout.load(std::memory_order_relaxed), Interrupted(file))) {
    case Outcome::kOk:
      return SQLITE_OK;
    case Outcome::kInterrupted:
      return SQLITE_INTERRUPT;
    case Outcome::kFailed:
      return Fail(file, SQLITE_IOERR_READ, request->code, request->message);
    case Outcome::kTimeout:
      return Fail(file, SQLITE_IOERR_READ, "PAGE_TIMEOUT", "page " + std::to_string(pgno) + " did not arrive in time");
    case Outcome::kWorkerGone:
      return Fail(file, SQLITE_IOERR_READ, "WORKER_EXITED",
                  "the replica worker exited while page " + std::to_string(pgno) + " was awaited");
    case Outcome::kWorkerThread:
      return Fail(file, SQLITE_IOERR_READ, "WORKER_THREAD_READ", "a replica cannot be read on the replica worker's own thread");
  }
  return SQLITE_IOERR_READ;
}

// Requests more prefetch from the worker, because the connection has read a page in a slot that
// SetTrigger has marked. TellAhead does not wait for a response.
void TellAhead(ReplicaFile* file, const View* view) {
  auto request = std::make_shared<Request>();
  request->kind = RequestKind::kAhead;
  request->replica = *file->replica;
  request->reader = *file->reader;
  request->view = view->id;
  request->pgno = (*file->reader)->triggered;
  (*file->reader)->triggered = 0;
  Bridge::Get().Tell(request);
}

int Close(sqlite3_file* base) {
  ReplicaFile* file = Self(base);
  Replica& replica = ReplicaOf(file);
  EndWriting(file);
  replica.ReadUnlock(file->reader->get());
  (*file->reader)->travelled.store(nullptr);
  replica.RemoveReader(*file->reader);
  Registry::Get().Release(*file->replica);
  delete file->error;
  delete file->reader;
  delete file->replica;
  delete file->write;
  file->base.pMethods = nullptr;
  return SQLITE_OK;
}

// Reads part of a page that is in the overlay or beyond the end of the view. A page beyond the end
// of the view contains zeros until SQLite has written the page.
int ReadWritten(const WriteTransaction* overlay, uint32_t pgno, uint32_t offset, uint8_t* dst, uint32_t size) {
  if (overlay->Has(pgno)) return overlay->Read(pgno, offset, dst, size);
  memset(dst, 0, size);
  return SQLITE_OK;
}

int Read(sqlite3_file* base, void* buffer, int amount, sqlite3_int64 at) {
  ReplicaFile* file = Self(base);
  Replica& replica = ReplicaOf(file);
  const View* view = file->view;
  bool pinned_here = false;
  if (view == nullptr) {
    // `view` is null while SQLite holds no lock on the file. SQLite reads the database header once
    // before it takes its first lock.
    view = replica.ReadLock(file->reader->get());
    pinned_here = true;
  }
  int rc = SQLITE_OK;
  uint8_t* dst = static_cast<uint8_t*>(buffer);
  const WriteTransaction* overlay = file->overlay;
  const uint32_t page_size = overlay == nullptr || overlay->page_size() == 0 ? view->page_size() : overlay->page_size();
  const uint32_t commit = overlay == nullptr ? view->commit : overlay->commit();
  uint64_t offset = uint64_t(at);
  uint32_t left = uint32_t(amount);
  while (left > 0) {
    uint64_t index = offset / page_size;
    uint32_t within = uint32_t(offset % page_size);
    uint32_t size = page_size - within < left ? page_size - within : left;
    if (index >= commit) {
      memset(dst, 0, left);
      rc = SQLITE_IOERR_SHORT_READ;
      break;
    }
    uint32_t pgno = uint32_t(index) + 1;
    if (pgno == LockPgno(page_size)) {
      memset(dst, 0, size);  // SQLite never stores the lock page
    } else if (overlay != nullptr && (pgno > view->commit || overlay->Has(pgno))) {
      rc = ReadWritten(overlay, pgno, within, dst, size);
      if (rc != SQLITE_OK) break;
    } else {
      rc = ReadStored(file, view, pgno, within, dst, size);
      if (rc != SQLITE_OK) break;
      if (pgno == 1 && within < 100) PatchHeader({view->counter, view->commit, view->cookie_shift}, within, dst, size);
    }
    if (size == page_size && dst[0] == kIndexLeaf) (*file->reader)->index_leaf = pgno;
    if ((*file->reader)->triggered != 0) TellAhead(file, view);
    dst += size;
    offset += size;
    left -= size;
  }
  if (pinned_here) replica.ReadUnlock(file->reader->get());
  return rc;
}

int Write(sqlite3_file* base, const void* page, int size, sqlite3_int64 at) { return WritePage(Self(base), page, size, at); }
int Truncate(sqlite3_file* base, sqlite3_int64 size) { return TruncateDatabase(Self(base), size); }
int Sync(sqlite3_file*, int) { return SQLITE_OK; }

int FileSize(sqlite3_file* base, sqlite3_int64* size) {
  ReplicaFile* file = Self(base);
  if (file->overlay != nullptr) {
    *size = sqlite3_int64(file->overlay->commit()) * file->overlay->page_size();
    return SQLITE_OK;
  }
  PinnedView view = ViewOf(file);
  *size = sqlite3_int64(view->commit) * view->page_size();
  return SQLITE_OK;
}

int Lock(sqlite3_file* base, int level) {
  ReplicaFile* file = Self(base);
  if (file->lock >= level) return SQLITE_OK;
  if (level > SQLITE_LOCK_SHARED) {
    // If the connection holds the RESERVED lock, it gets the PENDING and EXCLUSIVE locks
    // immediately. Each reader keeps its view, so the writer need not wait for readers.
    int rc = LockForWriting(file);
    if (rc == SQLITE_OK) file->lock = level;
    return rc;
  }
  Replica& replica = ReplicaOf(file);
  int64_t max_stale = replica.max_stale.load(std::memory_order_relaxed);
  // The connection compares the time since the last successful poll with the maximum staleness
  // itself, because the worker could be waiting for a poll that never ends.
  int64_t age = max_stale == INT64_MAX ? 0 : MonotonicMs() - replica.contact.load(std::memory_order_relaxed);
  if (age > max_stale) {
    return Fail(file, SQLITE_IOERR_LOCK, "REPLICA_STALE",
                "the last successful poll began " + std::to_string(age) + " ms ago, max_stale is " + std::to_string(max_stale) + " ms");
  }
  file->error->clear();
  file->view = replica.ReadLock(file->reader->get());
  file->lock = level;
  return SQLITE_OK;
}

int Unlock(sqlite3_file* base, int level) {
  ReplicaFile* file = Self(base);
  if (level < SQLITE_LOCK_RESERVED) EndWriting(file);
  if (level == SQLITE_LOCK_NONE && file->lock != SQLITE_LOCK_NONE) {
    ReplicaOf(file).ReadUnlock(file->reader->get());
    file->view = nullptr;
  }
  if (level < file->lock) file->lock = level;
  return SQLITE_OK;
}

int CheckReservedLock(sqlite3_file* base, int* result) {
  *result = ReplicaOf(Self(base)).writer.load(std::memory_order_relaxed) != nullptr;
  return SQLITE_OK;
}

int FileControl(sqlite3_file* base, int op, void* argument) {
  ReplicaFile* file = Self(base);
  switch (op) {
    case SQLITE_FCNTL_PDB:
      file->db = *static_cast<sqlite3**>(argument);
      return RegisterSqlFunctions(file->copy, file->db);
    case SQLITE_FCNTL_SYNC:
      return CommitAtSync(file);
    case SQLITE_FCNTL_PRAGMA:
      return Pragma(file, static_cast<char**>(argument));
    case SQLITE_FCNTL_VFSNAME:
      *static_cast<char**>(argument) = LS_API(file->copy, mprintf)("litestream");
      return SQLITE_OK;
    default:
      return SQLITE_NOTFOUND;
  }
}

int SectorSize(sqlite3_file*) { return 4096; }
int DeviceCharacteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE | SQLITE_IOCAP_UNDELETABLE_WHEN_OPEN; }

// Version 1 of sqlite3_io_methods has neither xFetch nor shared memory, so SQLite does not use WAL
// mode or memory maps for a replica.
const sqlite3_io_methods kMethods = {
    1,    Close, Read, Write, Truncate, Sync, FileSize, Lock, Unlock, CheckReservedLock, FileControl, SectorSize,
    DeviceCharacteristics, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr,
};

}  // namespace

bool IsReplicaFile(const sqlite3_file* file) { return file != nullptr && file->pMethods == &kMethods; }

int ReadStored(ReplicaFile* file, const View* view, uint32_t pgno, uint32_t offset, uint8_t* dst, uint32_t size) {
  if (ReplicaOf(file).ReadResident(file->reader->get(), view, pgno, offset, dst, size)) return SQLITE_OK;
  return ReadMiss(file, view, pgno, offset, dst, size);
}

int OpenReplicaFile(const SqliteCopy* copy, const std::string& key, const std::string& at, sqlite3_file* base, int flags,
                    int* out_flags) {
  ReplicaFile* file = Self(base);
  memset(file, 0, sizeof *file);
  std::shared_ptr<Replica> replica;
  uint32_t id = 0;
  if (ReplicaIdOf(key, &id)) {
    replica = Registry::Get().Reference(id);
    if (!replica) {
      return RefuseOpen(copy, "the replica of this URI is closed. Open it with openReplica().", base, flags, out_flags);
    }
  } else {
    bool created;
    replica = Registry::Get().Acquire(key, &created);
  }
  if (replica->current.load() == nullptr || replica->state.load() == ReplicaState::kOrphaned) {
    auto request = std::make_shared<Request>();
    request->kind = RequestKind::kOpen;
    request->replica = replica;
    request->text = replica->key;
    Outcome outcome = Bridge::Get().Ask(request, kOpenTimeoutMs);
    if (outcome != Outcome::kOk || replica->current.load() == nullptr) {
      const std::string why =
          outcome == Outcome::kWorkerThread ? "a replica cannot be opened on the replica worker's own thread"
          : outcome == Outcome::kFailed     ? request->code + ": " + request->message
                                            : "the replica worker is not running (was the package loaded?)";
      Registry::Get().Release(replica);
      return RefuseOpen(copy, why, base, flags, out_flags);
    }
  }
  file->copy = copy;
  file->error = new std::string();
  file->reader = new std::shared_ptr<Reader>(replica->AddReader());
  file->replica = new std::shared_ptr<Replica>(std::move(replica));
  file->write = new std::shared_ptr<WriteTransaction>();
  // A connection that reads an earlier TXID must not write, because its commit would undo all later
  // commits.
  file->writable = (flags & SQLITE_OPEN_READWRITE) != 0 && at.empty() && ReplicaOf(file).writable.load();
  file->base.pMethods = &kMethods;
  std::string error;
  if (!at.empty() && Travel(file, at, &error) != SQLITE_OK) {
    ReplicaOf(file).SetError("TXID_NOT_AVAILABLE", error);
    Close(base);
    return RefuseOpen(copy, error, base, flags, out_flags);
  }
  if (out_flags != nullptr) *out_flags = (file->writable ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) | SQLITE_OPEN_MAIN_DB;
  return SQLITE_OK;
}

}  // namespace litestream
