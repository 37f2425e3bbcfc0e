// Gives the addon access to the connections that the primary itself has opened (see
// source_database_napi.cc). While SQLite loads the extension into a connection, SourceExpected and
// InitSource are called on the connection's thread.
#pragma once
#include <sqlite3ext.h>

namespace litestream {

// Returns whether the connection that is loading the extension is a connection of the primary.
bool SourceExpected();
// Prepares the connection `db` for takeSource(). Returns an SQLite result code.
int InitSource(sqlite3* db, const sqlite3_api_routines* api);

}  // namespace litestream
