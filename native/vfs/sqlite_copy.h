// One copy of SQLite in this process. A process may hold several (better-sqlite3's, Node's own,
// Python's), each with its own routines and list of VFSs, so no SQLite pointer is global: every
// callback reaches its copy through pAppData.
#pragma once
#include <sqlite3ext.h>

#include <string>

namespace litestream {

struct SqliteCopy {
  const sqlite3_api_routines* api;
  sqlite3_vfs* original;  // the VFS that was the default before ours
  sqlite3_vfs before;     // its routines and sizes before the first registration
  sqlite3_vfs by_uri;     // "litestream": for file:app.db?vfs=litestream if SQLite parses URIs
  // the default VFS: passes everything on, but also accepts a replica's URI as a plain name
  sqlite3_vfs by_name;
  bool reports_refusals;  // see refused_file.h
};

// Calls a routine of a copy without the macros of sqlite3ext.h, which need one global table.
#define LS_API(copy, routine) ((copy)->api->routine)

// The copies registered so far, in order, then null. Written under RegisterVfs's lock, never
// changed again.
constexpr size_t kMaxSqliteCopies = 4;
const SqliteCopy* const* SqliteCopies();

// Registers both VFSs with the copy of SQLite that `api` belongs to, once per copy.
int RegisterVfs(const sqlite3_api_routines* api, std::string* error);

// The open replica file of a schema of a connection, or null. See replica_file.h.
struct ReplicaFile;
ReplicaFile* FindReplicaFile(const SqliteCopy* copy, sqlite3* db);

// SQL functions of one connection; see sql_functions.cc.
int RegisterSqlFunctions(const SqliteCopy* copy, sqlite3* db);

}  // namespace litestream
