// A ReplicaFile is the sqlite3_file of a replica. Only one connection uses a ReplicaFile, and only
// on one thread at a time. SQLite itself requires this.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "replica/bridge.h"
#include "vfs/sqlite_copy.h"

namespace litestream {

class WriteTransaction;

struct ReplicaFile {
  sqlite3_file base;  // must be first: SQLite sees only this
  const SqliteCopy* copy;
  std::shared_ptr<Replica>* replica;  // pointers, because SQLite hands raw memory
  std::shared_ptr<Reader>* reader;
  std::string* error;  // why the last read failed; cleared by a new transaction
  sqlite3* db;
  View* view;  // pinned while lock >= SHARED
  // The following fields are for writing (write_path.h). In a connection that only reads, these
  // fields are unset.
  WriteTransaction* overlay;                // pages written but not committed; null: none
  std::shared_ptr<WriteTransaction>* write;  // owns the overlay, together with a commit in progress
  int lock;
  bool writable;                            // opened for writing
  bool reserved;                            // holds the RESERVED lock
  bool committed;                           // has committed since it took the RESERVED lock
  Durability durability;                    // set by PRAGMA synchronous
};

// Opens the replica that `key` describes. `key` is either a list of sorted lines of name=value, or
// replica_id=N for a replica that is already open. If `at` is not empty, the connection reads the
// database at the TXID or time `at`.
int OpenReplicaFile(const SqliteCopy* copy, const std::string& key, const std::string& at, sqlite3_file* file, int flags,
                    int* out_flags);
bool IsReplicaFile(const sqlite3_file* file);

// The following functions return the results of the connection's SQL functions and PRAGMAs. Travel
// returns an SQLite result code. If Travel fails, the view does not change.
std::string TxidText(const ReplicaFile* file);
std::string TimeText(const ReplicaFile* file);
std::string ErrorText(const ReplicaFile* file);
int64_t LagSeconds(const ReplicaFile* file);
std::string StatsJson(const ReplicaFile* file);
int Travel(ReplicaFile* file, const std::string& target, std::string* error);
// Handles SQLITE_FCNTL_PRAGMA. SQLite passes the PRAGMA's name in arguments[1]. The PRAGMA's value,
// or null, is in arguments[2]. Pragma stores the result or the error message in arguments[0].
int Pragma(ReplicaFile* file, char** arguments);

// --- shared by the files that work on a ReplicaFile ---

inline Replica& ReplicaOf(const ReplicaFile* file) { return **file->replica; }
inline PinnedView ViewOf(const ReplicaFile* file) { return PinnedView(&ReplicaOf(file), file->reader->get(), file->view); }
// Reads part of a page of a view, without the changes of PatchHeader. If the page is not resident,
// waits for the worker.
int ReadStored(ReplicaFile* file, const View* view, uint32_t pgno, uint32_t offset, uint8_t* dst, uint32_t size);
// Returns a function whose result is true after sqlite3_interrupt(). If this copy of SQLite cannot
// report an interrupt, the returned function is empty.
std::function<bool()> Interrupted(const ReplicaFile* file);

}  // namespace litestream
