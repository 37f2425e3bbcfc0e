// A ReplicaFile is the sqlite3_file of a replica. Each ReplicaFile belongs to one connection.
// SQLite guarantees that only one thread at a time uses a connection's files.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "replica/bridge.h"
#include "vfs/sqlite_copy.h"

namespace litestream {

class WriteTransaction;

struct ReplicaFile {
  sqlite3_file base;  // must be the first member: SQLite uses only `base`
  const SqliteCopy* copy;
  std::shared_ptr<Replica>* replica;  // a pointer: SQLite does not construct this struct
  std::shared_ptr<Reader>* reader;
  std::string* error;  // why the last read failed; a new transaction clears it
  sqlite3* db;
  View* view;  // pinned while lock >= SHARED
  // The following fields are for writing (write_path.h).
  WriteTransaction* overlay;                // the uncommitted pages, or null
  std::shared_ptr<WriteTransaction>* write;  // owns `overlay`; a kCommit request shares it
  int lock;
  bool writable;                            // whether the connection may write
  bool reserved;                            // whether the connection holds the RESERVED lock
  bool committed;                           // whether it has committed under this RESERVED lock
  Durability durability;                    // set by PRAGMA synchronous
};

// Opens the replica that `key` describes. `key` is a result of ReplicaKey (replica_uri.h). If `at`
// is not empty, the connection reads the database at the TXID or time `at`. Returns the result code
// for xOpen.
int OpenReplicaFile(const SqliteCopy* copy, const std::string& key, const std::string& at, sqlite3_file* file, int flags,
                    int* out_flags);
bool IsReplicaFile(const sqlite3_file* file);

// The following functions implement the SQL functions and PRAGMAs of a connection. Travel moves the
// connection to the TXID or time `target`, or to the current view if `target` is "latest". Travel
// returns an SQLite result code. If Travel fails, it sets *error, and the connection does not move.
std::string TxidText(const ReplicaFile* file);
std::string TimeText(const ReplicaFile* file);
std::string ErrorText(const ReplicaFile* file);
int64_t LagSeconds(const ReplicaFile* file);
std::string StatsJson(const ReplicaFile* file);
int Travel(ReplicaFile* file, const std::string& target, std::string* error);
// Handles SQLITE_FCNTL_PRAGMA. SQLite passes the PRAGMA's name in arguments[1], and the PRAGMA's
// value or null in arguments[2]. Pragma stores the PRAGMA's result or an error message in
// arguments[0]. Returns an SQLite result code.
int Pragma(ReplicaFile* file, char** arguments);

// All source files that use a ReplicaFile share the following functions.

inline Replica& ReplicaOf(const ReplicaFile* file) { return **file->replica; }
inline PinnedView ViewOf(const ReplicaFile* file) { return PinnedView(&ReplicaOf(file), file->reader->get(), file->view); }
// Copies the bytes [offset, offset + size) of page `pgno` of the view to `dst`. ReadStored does not
// apply PatchHeader. If the page is not resident, ReadStored waits for the worker. Returns an
// SQLite result code.
int ReadStored(ReplicaFile* file, const View* view, uint32_t pgno, uint32_t offset, uint8_t* dst, uint32_t size);
// Returns a function that returns whether sqlite3_interrupt() was called for the connection. If the
// connection's copy of SQLite has no sqlite3_is_interrupted(), returns an empty std::function.
std::function<bool()> Interrupted(const ReplicaFile* file);

}  // namespace litestream
