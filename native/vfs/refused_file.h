// Refuses to open a main database. The SQLite driver's error contains the reason. If xOpen fails,
// SQLite reports only its own text ("unable to open database file"). For a refused database, xOpen
// therefore returns a file that cannot be read and reports success. SQLite then calls the automatic
// extension while it opens the connection, and the extension fails with the reason.
#pragma once
#include <string>

#include "vfs/sqlite_copy.h"

namespace litestream {

// Refuses to open a file and returns the result code for xOpen. For ATTACH, SQLite calls no
// automatic extension. The first use of a refused attached database therefore fails with
// SQLITE_CANTOPEN.
int RefuseOpen(const SqliteCopy* copy, const std::string& reason, sqlite3_file* file, int flags, int* out_flags);

// Registers the automatic extension. If this copy of SQLite does not support automatic extensions,
// returns false.
bool RegisterRefusals(const sqlite3_api_routines* api);

}  // namespace litestream
