// Refuses to open a main database with a reason that the SQLite driver's error contains. If xOpen
// fails, SQLite reports only its own text ("unable to open database file"). For a refused database,
// xOpen therefore succeeds with a file that cannot be read, and the automatic extension, which
// SQLite calls while it opens the connection, fails with the reason.
#pragma once
#include <string>

#include "vfs/sqlite_copy.h"

namespace litestream {

// Refuses to open a file and returns the result for xOpen. SQLite calls no automatic extension for
// ATTACH, so the first use of a refused attached database fails with SQLITE_CANTOPEN.
int RefuseOpen(const SqliteCopy* copy, const std::string& reason, sqlite3_file* file, int flags, int* out_flags);

// Registers the automatic extension. Returns false if this copy of SQLite does not support
// automatic extensions.
bool RegisterRefusals(const sqlite3_api_routines* api);

}  // namespace litestream
