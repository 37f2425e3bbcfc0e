// Refuses to open a main database in such a way that the error of the SQLite driver contains the
// reason. If xOpen fails, the error of the SQLite driver contains only SQLite's own text ("unable
// to open database file"). For a refused main database, xOpen therefore opens a file that cannot be
// read, and returns SQLITE_OK. After xOpen, SQLite calls the automatic extension while it opens the
// connection, and the automatic extension fails with the reason.
#pragma once
#include <string>

#include "vfs/sqlite_copy.h"

namespace litestream {

// Refuses to open a database and returns the result code for xOpen. For ATTACH, SQLite calls no
// automatic extension, so the first use of a refused attached database fails with SQLITE_CANTOPEN.
int RefuseOpen(const SqliteCopy* copy, const std::string& reason, sqlite3_file* file, int flags, int* out_flags);

// Registers the automatic extension with the copy of SQLite to which `api` belongs. If the copy of
// SQLite does not support automatic extensions, returns false.
bool RegisterRefusals(const sqlite3_api_routines* api);

}  // namespace litestream
