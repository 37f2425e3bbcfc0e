// The connections of the primary; see source_database_napi.cc. Called on the thread of the
// connection.
#pragma once
#include <sqlite3ext.h>

namespace litestream {

// Whether the connection that is loading the extension is one of a primary to the application's
// database.
bool SourceExpected();
// Makes the connection a source. Returns an SQLite result code.
int InitSource(sqlite3* db, const sqlite3_api_routines* api);

}  // namespace litestream
