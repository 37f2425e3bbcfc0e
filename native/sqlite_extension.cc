// The door for SQLite: the entry point that SQLite looks for in litestream.node when it is loaded as an extension.
#include "vfs/sqlite_copy.h"

#if defined(_WIN32)
#define LITESTREAM_DOOR extern "C" __declspec(dllexport)
#else
#define LITESTREAM_DOOR extern "C" __attribute__((visibility("default")))
#endif

LITESTREAM_DOOR int sqlite3_litestream_init(sqlite3*, char** error_message, const sqlite3_api_routines* api) {
  std::string error;
  int rc = litestream::RegisterVfs(api, &error);
  if (rc != SQLITE_OK) {
    if (error_message != nullptr) *error_message = api->mprintf("%s", error.c_str());
    return rc;
  }
  return SQLITE_OK_LOAD_PERMANENTLY;
}
