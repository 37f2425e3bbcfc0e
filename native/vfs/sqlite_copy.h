// A SqliteCopy describes one copy of the SQLite library in this process. A process may contain
// several copies of SQLite (for example, those of better-sqlite3, Node.js and Python). Each copy
// has its own routines and its own list of VFSs, so the addon needs one SqliteCopy for each copy. A
// routine of a VFS finds its copy of SQLite through pAppData.
#pragma once
#include <sqlite3ext.h>

#include <string>

namespace litestream {

struct SqliteCopy {
  const sqlite3_api_routines* api;
  sqlite3_vfs* original;  // the default VFS before the first registration
  sqlite3_vfs before;     // a copy of *original before ReplaceInPlace
  sqlite3_vfs by_uri;     // "litestream": for file:app.db?vfs=litestream if SQLite parses URIs
  // the default VFS "litestream-default", which also accepts a replica's URI as a plain name, and
  // passes every other call on to `original`
  sqlite3_vfs by_name;
  bool reports_refusals;  // the result of RegisterRefusals
};

// The routine `routine` of a copy of SQLite. LS_API replaces the macros of sqlite3ext.h, which work
// only with one global routine table.
#define LS_API(copy, routine) ((copy)->api->routine)

// Returns the array of the registered copies of SQLite, in the order of their registration. A null
// pointer ends the array. RegisterVfs adds elements under a lock and never changes an existing
// element, so any thread may read the array.
constexpr size_t kMaxSqliteCopies = 4;
const SqliteCopy* const* SqliteCopies();

// Registers the VFSs by_uri and by_name with the copy of SQLite to which `api` belongs. If the copy
// of SQLite already has by_uri and by_name, registers nothing. Returns an SQLite result code. If
// RegisterVfs fails, it sets *error.
int RegisterVfs(const sqlite3_api_routines* api, std::string* error);

// Returns the first database of the connection `db` (main or attached) that is a replica. If no
// database of the connection is a replica, returns null. See replica_file.h.
struct ReplicaFile;
ReplicaFile* FindReplicaFile(const SqliteCopy* copy, sqlite3* db);

// Registers the SQL functions of sql_functions.cc on the connection `db`. Returns an SQLite result
// code.
int RegisterSqlFunctions(const SqliteCopy* copy, sqlite3* db);

}  // namespace litestream
