// Implements writing. A connection takes the RESERVED lock, collects pages in an overlay, and
// commits the overlay.
#pragma once
#include "vfs/replica_file.h"

namespace litestream {

// Takes the RESERVED lock for xLock. In one process, only one connection at a time holds the lock.
// Any other connection gets SQLITE_BUSY. If the connection's view is not the newest view, the
// connection gets SQLITE_BUSY_SNAPSHOT.
int LockForWriting(ReplicaFile* file);
// Releases the RESERVED lock and discards uncommitted pages.
void EndWriting(ReplicaFile* file);
int WritePage(ReplicaFile* file, const void* page, int size, sqlite3_int64 offset);
int TruncateDatabase(ReplicaFile* file, sqlite3_int64 size);
// Commits the overlay at SQLITE_FCNTL_SYNC. At this point, SQLite has written every page of the
// transaction and requires that the pages become durable.
int CommitAtSync(ReplicaFile* file);
// Implements `PRAGMA litestream_sync`. The PRAGMA waits until the store has every commit of this
// process.
int FlushWrites(ReplicaFile* file, std::string* error);

}  // namespace litestream
