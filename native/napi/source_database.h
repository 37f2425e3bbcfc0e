// Gives the addon access to the primary's own connections (see source_database_napi.cc).
// SourceExpected and InitSource run on the thread of the connection, while SQLite loads the
// extension.
#pragma once
#include <sqlite3ext.h>

namespace litestream {

// Returns whether the connection that is loading the extension belongs to a primary.
bool SourceExpected();
// Gives the primary native access to the connection `db`. Returns an SQLite result code.
int InitSource(sqlite3* db, const sqlite3_api_routines* api);

}  // namespace litestream
