// Implements writing to a replica. A connection takes the RESERVED lock, collects the pages that
// SQLite writes in an overlay, and commits the overlay. Each function of write_path.h returns an
// SQLite result code.
#pragma once
#include "vfs/replica_file.h"

namespace litestream {

// Takes the RESERVED lock for xLock. If another connection of this process holds the RESERVED lock,
// returns SQLITE_BUSY. If the connection's view is not the replica's current view, returns
// SQLITE_BUSY_SNAPSHOT.
int LockForWriting(ReplicaFile* file);
// Releases the RESERVED lock and discards the uncommitted pages.
void EndWriting(ReplicaFile* file);
int WritePage(ReplicaFile* file, const void* page, int size, sqlite3_int64 offset);
int TruncateDatabase(ReplicaFile* file, sqlite3_int64 size);
// Commits the overlay when SQLite calls xFileControl with SQLITE_FCNTL_SYNC. When SQLite sends
// SQLITE_FCNTL_SYNC, it has written every page of the transaction, and requires that the pages
// become durable.
int CommitAtSync(ReplicaFile* file);
// Implements `PRAGMA litestream_sync`. Waits until the store has every commit that connections of
// this process have made to the replica. If FlushWrites fails, it sets *error.
int FlushWrites(ReplicaFile* file, std::string* error);

}  // namespace litestream
