// A replica as an sqlite3_file. A ReplicaFile is used by one connection, on one thread at a time
// (SQLite's own rule).
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
  std::string* error;  // why the last read failed; cleared when a transaction begins
  sqlite3* db;
  View* view;  // pinned while lock >= SHARED
  // Writing (write_path.h); unset on a connection that only reads.
  WriteTransaction* overlay;                // pages written but not committed; null: none
  std::shared_ptr<WriteTransaction>* write;  // owns the overlay, together with a commit in progress
  int lock;
  bool writable;                            // opened for writing
  bool reserved;                            // holds the RESERVED lock
  bool committed;                           // has committed since it took that lock
  Durability durability;                    // set by PRAGMA synchronous
};

// Opens the replica that `key` describes (lines of name=value, sorted; replica_id=N names an open
// replica), at the TXID or time `at` if that is not empty.
int OpenReplicaFile(const SqliteCopy* copy, const std::string& key, const std::string& at, sqlite3_file* file, int flags,
                    int* out_flags);
bool IsReplicaFile(const sqlite3_file* file);

// Results of the SQL functions and PRAGMAs of a connection. Travel returns a result code; a failed
// Travel leaves the view unchanged.
std::string TxidText(const ReplicaFile* file);
std::string TimeText(const ReplicaFile* file);
std::string ErrorText(const ReplicaFile* file);
int64_t LagSeconds(const ReplicaFile* file);
std::string StatsJson(const ReplicaFile* file);
int Travel(ReplicaFile* file, const std::string& target, std::string* error);
// SQLITE_FCNTL_PRAGMA: [0] the answer or the error, [1] name, [2] value or null.
int Pragma(ReplicaFile* file, char** arguments);

// --- shared by the files that work on a ReplicaFile ---

inline Replica& ReplicaOf(const ReplicaFile* file) { return **file->replica; }
inline PinnedView ViewOf(const ReplicaFile* file) { return PinnedView(&ReplicaOf(file), file->reader->get(), file->view); }
// Reads part of a page of a view as the replica stores it. Waits for the worker if the page is not
// resident.
int ReadStored(ReplicaFile* file, const View* view, uint32_t pgno, uint32_t offset, uint8_t* dst, uint32_t size);
// Detects sqlite3_interrupt(), which ends a wait, if this copy of SQLite can report it.
std::function<bool()> Interrupted(const ReplicaFile* file);

}  // namespace litestream
