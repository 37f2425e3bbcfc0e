// The primary's connections; see source_database.cc. On the thread of the connection.
#pragma once
#include <sqlite3ext.h>

namespace litestream {

// Whether the connection that loads the extension now is to become a source.
bool SourceExpected();
// Makes it one. Returns an SQLite result code.
int InitSource(sqlite3* db, const sqlite3_api_routines* api);

}  // namespace litestream
