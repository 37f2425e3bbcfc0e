// SQLite calls sqlite3_extension_init when it loads the addon as an extension. SQLite looks up the
// function name sqlite3_extension_init first, whatever the name of the addon's file is.
#include "napi/source_database.h"
#include "vfs/sqlite_copy.h"

#if defined(_WIN32)
#define LITESTREAM_DOOR extern "C" __declspec(dllexport)
#else
#define LITESTREAM_DOOR extern "C" __attribute__((visibility("default")))
#endif

LITESTREAM_DOOR int sqlite3_extension_init(sqlite3* db, char** error_message, const sqlite3_api_routines* api) {
  if (litestream::SourceExpected()) return litestream::InitSource(db, api);
  std::string error;
  int rc = litestream::RegisterVfs(api, &error);
  if (rc != SQLITE_OK) {
    if (error_message != nullptr) *error_message = api->mprintf("%s", error.c_str());
    return rc;
  }
  return SQLITE_OK_LOAD_PERMANENTLY;
}
