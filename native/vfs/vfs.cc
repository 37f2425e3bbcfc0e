// The two VFS objects of a copy of SQLite. Both pass everything that is not a replica to the
// previous default VFS, with unchanged arguments.
#include <algorithm>
#include <cstring>
#include <mutex>

#include "vfs/journal_file.h"
#include "vfs/replica_file.h"
#include "vfs/replica_uri.h"

namespace litestream {

namespace {

// Prefix that xFullPathname adds to the name of a replica, so that its journals differ from real
// files.
const char kMark[] = "litestream:";

SqliteCopy* CopyOf(sqlite3_vfs* vfs) { return static_cast<SqliteCopy*>(vfs->pAppData); }
sqlite3_vfs* Original(sqlite3_vfs* vfs) { return CopyOf(vfs)->original; }

bool StartsWith(const char* text, const char* prefix) { return strncmp(text, prefix, strlen(prefix)) == 0; }

// SQLite takes no locks on a file opened with immutable or nolock, so a read would not keep one
// view. Returns true if the URI has such a parameter; the worker then logs a warning with the
// reason.
bool RefuseUnlocked(const SqliteCopy* copy, const UriParameters& parameters) {
  for (const char* name : {"immutable", "nolock"}) {
    auto found = parameters.find(name);
    if (found == parameters.end()) continue;
    const std::string& value = found->second;
    if (value.empty() || value == "0" || value == "no" || value == "off" || value == "false") continue;
    LS_API(copy, log)(SQLITE_CANTOPEN, "litestream: %s=%s is not for replicas", name, value.c_str());
    auto request = std::make_shared<Request>();
    request->kind = RequestKind::kOpen;
    request->text = name + ("=" + value);
    Bridge::Get().Tell(request);
    return true;
  }
  return false;
}

// --- by_uri: SQLite has parsed the URI and passes its parameters ---

bool HasReplicaParameters(sqlite3_vfs* vfs, const char* name) {
  if (name == nullptr) return false;
  for (const char* key : {"vfs", "replica_url", "replica_id"}) {
    const char* value = LS_API(CopyOf(vfs), uri_parameter)(name, key);
    if (value != nullptr && *value != 0) return true;
  }
  return false;
}

int OpenByUri(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  if (name == nullptr || !StartsWith(name, kMark)) {
    return Original(vfs)->xOpen(Original(vfs), name, file, flags, out_flags);
  }
  if (!(flags & SQLITE_OPEN_MAIN_DB)) return OpenJournalFile(CopyOf(vfs), file, flags, out_flags);
  UriParameters parameters;
  for (int i = 0;; i++) {
    const char* key = LS_API(CopyOf(vfs), uri_key)(name, i);
    if (key == nullptr) break;
    const char* value = LS_API(CopyOf(vfs), uri_parameter)(name, key);
    parameters[key] = value == nullptr ? "" : value;
  }
  if (RefuseUnlocked(CopyOf(vfs), parameters)) return SQLITE_CANTOPEN;
  return OpenReplicaFile(CopyOf(vfs), ReplicaKey(parameters), AtParameter(parameters), file, flags, out_flags);
}

int FullPathnameByUri(sqlite3_vfs* vfs, const char* name, int size, char* out) {
  if (!HasReplicaParameters(vfs, name)) return Original(vfs)->xFullPathname(Original(vfs), name, size, out);
  if (strlen(kMark) + strlen(name) + 1 > size_t(size)) return SQLITE_CANTOPEN;
  strcpy(out, kMark);
  strcat(out, name);
  return SQLITE_OK;
}

int AccessByUri(sqlite3_vfs* vfs, const char* name, int flags, int* result) {
  if (name != nullptr && StartsWith(name, kMark)) {
    // never a hot journal and no WAL: a journal ends with the connection that created it
    *result = 0;
    return SQLITE_OK;
  }
  return Original(vfs)->xAccess(Original(vfs), name, flags, result);
}

int DeleteByUri(sqlite3_vfs* vfs, const char* name, int sync_directory) {
  // a journal disappears when it is closed
  if (name != nullptr && StartsWith(name, kMark)) return SQLITE_OK;
  return Original(vfs)->xDelete(Original(vfs), name, sync_directory);
}

// --- by_name: the default VFS ---

int OpenByName(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  if (!IsReplicaUri(name)) return Original(vfs)->xOpen(Original(vfs), name, file, flags, out_flags);
  if (!(flags & SQLITE_OPEN_MAIN_DB)) return OpenJournalFile(CopyOf(vfs), file, flags, out_flags);
  auto parameters = ParseReplicaUri(name);
  if (RefuseUnlocked(CopyOf(vfs), parameters)) return SQLITE_CANTOPEN;
  return OpenReplicaFile(CopyOf(vfs), ReplicaKey(parameters), AtParameter(parameters), file, flags, out_flags);
}

int FullPathnameByName(sqlite3_vfs* vfs, const char* name, int size, char* out) {
  if (!IsReplicaUri(name)) return Original(vfs)->xFullPathname(Original(vfs), name, size, out);
  if (strlen(name) + 1 > size_t(size)) return SQLITE_CANTOPEN;
  strcpy(out, name);
  return SQLITE_OK;
}

int AccessByName(sqlite3_vfs* vfs, const char* name, int flags, int* result) {
  if (IsReplicaUri(name)) {
    *result = 0;
    return SQLITE_OK;
  }
  return Original(vfs)->xAccess(Original(vfs), name, flags, result);
}

int DeleteByName(sqlite3_vfs* vfs, const char* name, int sync_directory) {
  if (IsReplicaUri(name)) return SQLITE_OK;
  return Original(vfs)->xDelete(Original(vfs), name, sync_directory);
}

// --- both: passed on unchanged ---

void* DlOpen(sqlite3_vfs* vfs, const char* name) { return Original(vfs)->xDlOpen(Original(vfs), name); }
void DlError(sqlite3_vfs* vfs, int size, char* out) { Original(vfs)->xDlError(Original(vfs), size, out); }
void (*DlSym(sqlite3_vfs* vfs, void* handle, const char* symbol))(void) {
  return Original(vfs)->xDlSym(Original(vfs), handle, symbol);
}
void DlClose(sqlite3_vfs* vfs, void* handle) { Original(vfs)->xDlClose(Original(vfs), handle); }
int Randomness(sqlite3_vfs* vfs, int size, char* out) { return Original(vfs)->xRandomness(Original(vfs), size, out); }
int Sleep(sqlite3_vfs* vfs, int us) { return Original(vfs)->xSleep(Original(vfs), us); }
int CurrentTime(sqlite3_vfs* vfs, double* out) { return Original(vfs)->xCurrentTime(Original(vfs), out); }
int GetLastError(sqlite3_vfs* vfs, int size, char* out) { return Original(vfs)->xGetLastError(Original(vfs), size, out); }
int CurrentTimeInt64(sqlite3_vfs* vfs, sqlite3_int64* out) { return Original(vfs)->xCurrentTimeInt64(Original(vfs), out); }
int SetSystemCall(sqlite3_vfs* vfs, const char* name, sqlite3_syscall_ptr call) {
  return Original(vfs)->xSetSystemCall(Original(vfs), name, call);
}
sqlite3_syscall_ptr GetSystemCall(sqlite3_vfs* vfs, const char* name) {
  return Original(vfs)->xGetSystemCall(Original(vfs), name);
}
const char* NextSystemCall(sqlite3_vfs* vfs, const char* name) { return Original(vfs)->xNextSystemCall(Original(vfs), name); }

void Fill(sqlite3_vfs* vfs, SqliteCopy* copy, const char* name) {
  sqlite3_vfs* original = copy->original;
  memset(vfs, 0, sizeof *vfs);
  vfs->iVersion = original->iVersion < 3 ? original->iVersion : 3;
  vfs->szOsFile = std::max({original->szOsFile, int(sizeof(ReplicaFile)), JournalFileSize()});
  // the URL of a replica can be a long name
  vfs->mxPathname = original->mxPathname > 4096 ? original->mxPathname : 4096;
  vfs->zName = name;
  vfs->pAppData = copy;
  vfs->xDlOpen = DlOpen;
  vfs->xDlError = DlError;
  vfs->xDlSym = DlSym;
  vfs->xDlClose = DlClose;
  vfs->xRandomness = Randomness;
  vfs->xSleep = Sleep;
  vfs->xCurrentTime = CurrentTime;
  vfs->xGetLastError = GetLastError;
  if (vfs->iVersion >= 2) vfs->xCurrentTimeInt64 = CurrentTimeInt64;
  if (vfs->iVersion >= 3) {
    vfs->xSetSystemCall = SetSystemCall;
    vfs->xGetSystemCall = GetSystemCall;
    vfs->xNextSystemCall = NextSystemCall;
  }
}

std::mutex g_register_mutex;  // guards the writing of g_copies
const SqliteCopy* g_copies[kMaxSqliteCopies + 1] = {};

}  // namespace

const SqliteCopy* const* SqliteCopies() { return g_copies; }

int RegisterVfs(const sqlite3_api_routines* api, std::string* error) {
  std::lock_guard<std::mutex> lock(g_register_mutex);
  if (api->libversion_number() < 3031000) {
    *error = std::string("litestream needs SQLite 3.31.0 or newer, this is ") + api->libversion();
    return SQLITE_ERROR;
  }
  sqlite3_vfs* registered = api->vfs_find("litestream");
  size_t count = 0;
  for (; g_copies[count] != nullptr; count++) {
    if (registered == &g_copies[count]->by_uri) return SQLITE_OK;
  }
  if (registered != nullptr) {
    *error = "another VFS is registered as \"litestream\" already; load only one of the two";
    return SQLITE_ERROR;
  }
  if (count == kMaxSqliteCopies) {
    *error = "litestream is loaded into too many copies of SQLite in one process";
    return SQLITE_ERROR;
  }
  SqliteCopy* copy = new SqliteCopy();  // lives as long as the process, as the registration does
  copy->api = api;
  copy->original = api->vfs_find(nullptr);
  Fill(&copy->by_uri, copy, "litestream");
  copy->by_uri.xOpen = OpenByUri;
  copy->by_uri.xFullPathname = FullPathnameByUri;
  copy->by_uri.xAccess = AccessByUri;
  copy->by_uri.xDelete = DeleteByUri;
  Fill(&copy->by_name, copy, "litestream-default");
  copy->by_name.xOpen = OpenByName;
  copy->by_name.xFullPathname = FullPathnameByName;
  copy->by_name.xAccess = AccessByName;
  copy->by_name.xDelete = DeleteByName;
  g_copies[count] = copy;
  int rc = api->vfs_register(&copy->by_uri, 0);
  if (rc == SQLITE_OK) rc = api->vfs_register(&copy->by_name, 1);
  if (rc != SQLITE_OK) *error = "SQLite refused to register the VFS";
  return rc;
}

}  // namespace litestream
