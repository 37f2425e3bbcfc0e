// A ReplicaFile is the sqlite3_file of a replica. Only one connection uses a ReplicaFile, on one
// thread at a time (SQLite's own rule).
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
  std::string* error;  // why the last read failed (a new transaction clears it)
  sqlite3* db;
  View* view;  // pinned while lock >= SHARED
  // The following fields are for writing (write_path.h). A connection that only reads leaves the
  // fields for writing unset.
  WriteTransaction* overlay;                // pages written but not committed; null: none
  std::shared_ptr<WriteTransaction>* write;  // owns the overlay, together with a commit in progress
  int lock;
  bool writable;                            // opened for writing
  bool reserved;                            // holds the RESERVED lock
  bool committed;                           // has committed since it took that lock
  Durability durability;                    // set by PRAGMA synchronous
};

// Opens the replica that `key` describes. `key` consists of sorted lines of name=value, or is
// replica_id=N for an open replica. If `at` is not empty, the connection reads the database at the
// TXID or time `at`.
int OpenReplicaFile(const SqliteCopy* copy, const std::string& key, const std::string& at, sqlite3_file* file, int flags,
                    int* out_flags);
bool IsReplicaFile(const sqlite3_file* file);

// The following functions give the results of the SQL functions and PRAGMAs of a connection. Travel
// returns an SQLite result code. A failed Travel leaves the view unchanged.
std::string TxidText(const ReplicaFile* file);
std::string TimeText(const ReplicaFile* file);
std::string ErrorText(const ReplicaFile* file);
int64_t LagSeconds(const ReplicaFile* file);
std::string StatsJson(const ReplicaFile* file);
int Travel(ReplicaFile* file, const std::string& target, std::string* error);
// Handles SQLITE_FCNTL_PRAGMA. SQLite passes the name of the PRAGMA in arguments[1], and its value
// or null in arguments[2]. Pragma stores the answer or the error message in arguments[0].
int Pragma(ReplicaFile* file, char** arguments);

// --- shared by the files that work on a ReplicaFile ---

inline Replica& ReplicaOf(const ReplicaFile* file) { return **file->replica; }
inline PinnedView ViewOf(const ReplicaFile* file) { return PinnedView(&ReplicaOf(file), file->reader->get(), file->view); }
// Reads part of a page of a view, without the changes of PatchHeader. Waits for the worker if the
// page is not resident.
int ReadStored(ReplicaFile* file, const View* view, uint32_t pgno, uint32_t offset, uint8_t* dst, uint32_t size);
// Returns a function that returns true after sqlite3_interrupt(). The function is empty if this
// copy of SQLite cannot report an interrupt.
std::function<bool()> Interrupted(const ReplicaFile* file);

}  // namespace litestream
