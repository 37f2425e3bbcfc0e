#include "vfs/refused_file.h"

#include <cstring>

namespace litestream {

namespace {

struct RefusedFile {
  sqlite3_file base;  // must be the first member: SQLite uses only `base`
  std::string* reason;
};

RefusedFile* Self(sqlite3_file* file) { return reinterpret_cast<RefusedFile*>(file); }

int Close(sqlite3_file* file) {
  delete Self(file)->reason;
  file->pMethods = nullptr;
  return SQLITE_OK;
}

// While SQLite opens a database, it reads the database header without a lock. For this read of the
// database header, a refused file looks like an empty file.
int Read(sqlite3_file*, void* buffer, int amount, sqlite3_int64) {
  memset(buffer, 0, size_t(amount));
  return SQLITE_IOERR_SHORT_READ;
}
int Write(sqlite3_file*, const void*, int, sqlite3_int64) { return SQLITE_READONLY; }
int Truncate(sqlite3_file*, sqlite3_int64) { return SQLITE_READONLY; }
int Sync(sqlite3_file*, int) { return SQLITE_OK; }
// Before SQLite reads a page, it calls xLock and xFileSize. The xLock and xFileSize of a refused
// file fail, so that SQLite cannot read a page. With the URI parameter nolock or immutable, SQLite
// calls xFileSize but not xLock. With immutable, SQLite calls xFileSize while it opens the
// database.
int FileSize(sqlite3_file*, sqlite3_int64*) { return SQLITE_CANTOPEN; }
int Lock(sqlite3_file*, int) { return SQLITE_CANTOPEN; }
int Unlock(sqlite3_file*, int) { return SQLITE_OK; }
int CheckReservedLock(sqlite3_file*, int* result) {
  *result = 0;
  return SQLITE_OK;
}
int FileControl(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int SectorSize(sqlite3_file*) { return 4096; }
int DeviceCharacteristics(sqlite3_file*) { return 0; }

const sqlite3_io_methods kMethods = {
    1,    Close, Read, Write, Truncate, Sync, FileSize, Lock, Unlock, CheckReservedLock, FileControl, SectorSize,
    DeviceCharacteristics, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr,
};

// While SQLite opens a connection, it calls ReportRefusal as an automatic extension. If the
// connection's main database was refused, ReportRefusal fails, and *message contains the reason.
int ReportRefusal(sqlite3* db, char** message, const sqlite3_api_routines* api) {
  sqlite3_file* file = nullptr;
  if (api->file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK) return SQLITE_OK;
  if (file == nullptr || file->pMethods != &kMethods) return SQLITE_OK;
  if (message != nullptr) *message = api->mprintf("%s", Self(file)->reason->c_str());
  return SQLITE_CANTOPEN;
}

}  // namespace

int RefuseOpen(const SqliteCopy* copy, const std::string& reason, sqlite3_file* file, int flags, int* out_flags) {
  LS_API(copy, log)(SQLITE_CANTOPEN, "litestream: %s", reason.c_str());
  file->pMethods = nullptr;  // SQLite must not call xClose after a failed xOpen
  if (!copy->reports_refusals || !(flags & SQLITE_OPEN_MAIN_DB)) return SQLITE_CANTOPEN;
  Self(file)->reason = new std::string(reason);
  file->pMethods = &kMethods;
  if (out_flags != nullptr) *out_flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB;
  return SQLITE_OK;
}

bool RegisterRefusals(const sqlite3_api_routines* api) {
  // The cast is necessary because sqlite3.h declares the parameter of auto_extension as a function
  // without arguments.
  return api->auto_extension(reinterpret_cast<void (*)(void)>(ReportRefusal)) == SQLITE_OK;
}

}  // namespace litestream
