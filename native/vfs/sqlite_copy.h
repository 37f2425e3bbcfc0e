// A SqliteCopy describes one copy of the SQLite library in this process. A process may contain
// several copies (better-sqlite3's, Node.js's own, Python's). Each copy of SQLite has its own
// routines and its own list of VFSs. A global variable therefore never stores an SQLite pointer. A
// VFS callback finds its copy of SQLite through pAppData.
#pragma once
#include <sqlite3ext.h>

#include <string>

namespace litestream {

struct SqliteCopy {
  const sqlite3_api_routines* api;
  sqlite3_vfs* original;  // the VFS that was the default before ours
  sqlite3_vfs before;     // its routines and sizes before the first registration
  sqlite3_vfs by_uri;     // "litestream": for file:app.db?vfs=litestream if SQLite parses URIs
  // the default VFS; passes every call on, and also accepts a replica's URI as a plain name
  sqlite3_vfs by_name;
  bool reports_refusals;  // see refused_file.h
};

// Calls a routine of a copy of SQLite. Replaces the macros of sqlite3ext.h, because these macros
// need one global routine table.
#define LS_API(copy, routine) ((copy)->api->routine)

// Returns an array of the registered copies of SQLite in the order of their registration. The array
// ends with a null. RegisterVfs adds elements under a lock and never changes an existing element.
constexpr size_t kMaxSqliteCopies = 4;
const SqliteCopy* const* SqliteCopies();

// Registers the VFSs by_uri and by_name with the copy of SQLite to which `api` belongs. If the copy
// already has these VFSs, registers nothing.
int RegisterVfs(const sqlite3_api_routines* api, std::string* error);

// Returns the first open ReplicaFile among a connection's databases (main or attached). If the
// connection has no open ReplicaFile, returns null. See replica_file.h.
struct ReplicaFile;
ReplicaFile* FindReplicaFile(const SqliteCopy* copy, sqlite3* db);

// Registers the SQL functions of sql_functions.cc with one connection.
int RegisterSqlFunctions(const SqliteCopy* copy, sqlite3* db);

}  // namespace litestream
