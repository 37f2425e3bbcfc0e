// How a connection writes: the RESERVED lock, the overlay of its transaction, and the commit.
#pragma once
#include "vfs/replica_file.h"

namespace litestream {

// xLock beyond SHARED. One connection of the process writes at a time (SQLITE_BUSY for the others),
// and only from the newest view (SQLITE_BUSY_SNAPSHOT).
int LockForWriting(ReplicaFile* file);
// Releases the RESERVED lock and discards uncommitted pages.
void EndWriting(ReplicaFile* file);
int WritePage(ReplicaFile* file, const void* page, int size, sqlite3_int64 offset);
int TruncateDatabase(ReplicaFile* file, sqlite3_int64 size);
// SQLITE_FCNTL_SYNC: SQLite has written every page and needs them to be durable. This is the commit
// point.
int CommitAtSync(ReplicaFile* file);
// `PRAGMA litestream_sync`: waits until every commit of this process is in the store.
int FlushWrites(ReplicaFile* file, std::string* error);

}  // namespace litestream
