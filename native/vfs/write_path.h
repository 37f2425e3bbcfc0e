// Implements writing by a connection, which takes the RESERVED lock, collects pages in an overlay,
// and commits the overlay.
#pragma once
#include "vfs/replica_file.h"

namespace litestream {

// Takes the RESERVED lock for xLock. Only one connection of the process holds the lock at a time,
// and any other connection gets SQLITE_BUSY. A connection whose view is not the newest view gets
// SQLITE_BUSY_SNAPSHOT.
int LockForWriting(ReplicaFile* file);
// Releases the RESERVED lock and discards uncommitted pages.
void EndWriting(ReplicaFile* file);
int WritePage(ReplicaFile* file, const void* page, int size, sqlite3_int64 offset);
int TruncateDatabase(ReplicaFile* file, sqlite3_int64 size);
// Commits the overlay at SQLITE_FCNTL_SYNC. SQLite has written every page of the transaction at
// this point and requires durable pages.
int CommitAtSync(ReplicaFile* file);
// Implements `PRAGMA litestream_sync`. Waits until every commit of this process is in the store.
int FlushWrites(ReplicaFile* file, std::string* error);

}  // namespace litestream
