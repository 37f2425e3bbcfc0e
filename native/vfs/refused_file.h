// A main database that is refused for a reason that the driver's error must contain. SQLite has
// only its own text for an xOpen that fails ("unable to open database file"). So xOpen succeeds
// with a file that cannot be read, and the automatic extension, which SQLite calls while it opens
// the connection, fails with the reason.
#pragma once
#include <string>

#include "vfs/sqlite_copy.h"

namespace litestream {

// Refuses an open: the result of xOpen. Later use of the file, as by ATTACH, for which SQLite calls
// no automatic extension, fails with SQLITE_CANTOPEN.
int RefuseOpen(const SqliteCopy* copy, const std::string& reason, sqlite3_file* file, int flags, int* out_flags);

// Registers the automatic extension. False if this copy of SQLite has no automatic extensions.
bool RegisterRefusals(const sqlite3_api_routines* api);

}  // namespace litestream
