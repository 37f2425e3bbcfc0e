// Defines the two VFSs by_uri and by_name, and four routines that replace routines of the original
// VFS. In each copy of SQLite, the original VFS is the default VFS before the registration. For a
// file that does not belong to a replica, each routine passes its arguments to the original routine
// of the original VFS.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <optional>

#include "vfs/journal_file.h"
#include "vfs/refused_file.h"
#include "vfs/replica_file.h"
#include "vfs/replica_uri.h"

namespace litestream {

namespace {

SqliteCopy* CopyOf(sqlite3_vfs* vfs) { return static_cast<SqliteCopy*>(vfs->pAppData); }
sqlite3_vfs* Original(sqlite3_vfs* vfs) { return CopyOf(vfs)->original; }

bool StartsWith(const char* text, const char* prefix) { return strncmp(text, prefix, strlen(prefix)) == 0; }

int OpenBefore(const SqliteCopy* copy, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  return copy->before.xOpen(copy->original, name, file, flags, out_flags);
}
int FullPathnameBefore(const SqliteCopy* copy, const char* name, int size, char* out) {
  return copy->before.xFullPathname(copy->original, name, size, out);
}
int AccessBefore(const SqliteCopy* copy, const char* name, int flags, int* result) {
  return copy->before.xAccess(copy->original, name, flags, result);
}
int DeleteBefore(const SqliteCopy* copy, const char* name, int sync_directory) {
  return copy->before.xDelete(copy->original, name, sync_directory);
}

// Sends `parameter` (name=value) to the worker. When it receives the parameter, the worker emits a
// warning that tells the user what to do (see checkRefused in src/replica/key.ts).
void Warn(const std::string& parameter) {
  auto request = std::make_shared<Request>();
  request->kind = RequestKind::kOpen;
  request->text = parameter;
  Bridge::Get().Tell(request);
}

void WarnOfMixed() { Warn("mixed_transaction=1"); }

// The reason why xOpen refuses to open a database.
struct Reason {
  std::string parameter;  // see Warn
  std::string text;
};

// If the URI has the parameter immutable or nolock, returns the reason for refusing the URI. With
// immutable or nolock, SQLite takes no locks, so a transaction could read pages of different views.
std::optional<Reason> WhyUnlocked(const UriParameters& parameters) {
  for (const char* name : {"immutable", "nolock"}) {
    auto found = parameters.find(name);
    if (found == parameters.end()) continue;
    const std::string& value = found->second;
    if (value.empty() || value == "0" || value == "no" || value == "off" || value == "false") continue;
    const std::string parameter = name + ("=" + value);
    return Reason{parameter, parameter + " cannot be used with a replica, because SQLite would take no locks. Remove the parameter."};
  }
  return std::nullopt;
}

int OpenWithParameters(const SqliteCopy* copy, const UriParameters& parameters, sqlite3_file* file, int flags, int* out_flags) {
  if (std::optional<Reason> reason = WhyUnlocked(parameters)) {
    Warn(reason->parameter);
    return RefuseOpen(copy, reason->text, file, flags, out_flags);
  }
  return OpenReplicaFile(copy, ReplicaKey(parameters), AtParameter(parameters), file, flags, out_flags);
}

// When SQLite has parsed the parameters of a replica's URI, it calls the following routines of
// by_uri.

bool HasReplicaParameters(sqlite3_vfs* vfs, const char* name) {
  if (name == nullptr) return false;
  for (const char* key : {"vfs", "replica_url", "replica_id"}) {
    const char* value = LS_API(CopyOf(vfs), uri_parameter)(name, key);
    if (value != nullptr && *value != 0) return true;
  }
  return false;
}

int OpenByUri(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  if (name == nullptr || !StartsWith(name, kReplicaMark)) return OpenBefore(CopyOf(vfs), name, file, flags, out_flags);
  if (!(flags & SQLITE_OPEN_MAIN_DB)) return OpenJournalFile(CopyOf(vfs), file, flags, out_flags, WarnOfMixed);
  UriParameters parameters;
  for (int i = 0;; i++) {
    const char* key = LS_API(CopyOf(vfs), uri_key)(name, i);
    if (key == nullptr) break;
    const char* value = LS_API(CopyOf(vfs), uri_parameter)(name, key);
    parameters[key] = value == nullptr ? "" : value;
  }
  return OpenWithParameters(CopyOf(vfs), parameters, file, flags, out_flags);
}

int FullPathnameByUri(sqlite3_vfs* vfs, const char* name, int size, char* out) {
  if (!HasReplicaParameters(vfs, name)) return FullPathnameBefore(CopyOf(vfs), name, size, out);
  if (strlen(kReplicaMark) + strlen(name) + 1 > size_t(size)) return SQLITE_CANTOPEN;
  strcpy(out, kReplicaMark);
  strcat(out, name);
  return SQLITE_OK;
}

int AccessByUri(sqlite3_vfs* vfs, const char* name, int flags, int* result) {
  if (name != nullptr && StartsWith(name, kReplicaMark)) {
    // A replica has neither a WAL file nor a hot journal, because a JournalFile exists only until
    // SQLite closes it.
    *result = 0;
    return SQLITE_OK;
  }
  return AccessBefore(CopyOf(vfs), name, flags, result);
}

int DeleteByUri(sqlite3_vfs* vfs, const char* name, int sync_directory) {
  // A JournalFile is deleted when SQLite closes it, so DeleteByUri need not delete it.
  if (name != nullptr && StartsWith(name, kReplicaMark)) return SQLITE_OK;
  return DeleteBefore(CopyOf(vfs), name, sync_directory);
}

// When SQLite has not parsed a replica's URI, it passes the whole URI as a plain name to the
// following routines.

// SQLite appends up to 8 bytes to a name ("-journal").
constexpr size_t kSuffixBytes = 8;

struct FixedReason {
  const char* parameter;  // see Warn
  const char* text;
};
constexpr FixedReason kWithoutVfs = {"without_vfs=1", "the URI names a replica, but has no vfs=litestream. Add vfs=litestream to the URI."};
constexpr FixedReason kUriAsPath = {"uri_as_path=1", "the URI of a replica was used as a path. Pass the URI to the driver unchanged."};
constexpr FixedReason kOldConnection = {"old_connection=1", "the connection was opened before the VFS was registered"};

// Returns the reason why `name` must not be opened as an ordinary main database. If a program has
// passed a replica's URI incorrectly, SQLite would otherwise create an empty file with the URI as
// its name. If `name` may be opened, returns null.
const FixedReason* WhyNotAFile(const SqliteCopy* copy, const char* name, int flags) {
  if (name == nullptr || !(flags & SQLITE_OPEN_MAIN_DB)) return nullptr;
  const NameKind kind = KindOfName(name);
  if (kind == NameKind::kWithoutVfs) return &kWithoutVfs;
  if (kind == NameKind::kPath) return &kUriAsPath;
  if (kind == NameKind::kReplica || !(flags & SQLITE_OPEN_URI)) return nullptr;
  // If `name` comes from a URI, SQLite has parsed the URI, and the URI has no parameter
  // vfs=litestream.
  for (const char* key : {"replica_url", "replica_id"}) {
    const char* value = LS_API(copy, uri_parameter)(name, key);
    if (value != nullptr && *value != 0) return &kWithoutVfs;
  }
  return nullptr;
}

// Implements xOpen for plain names. SQLite has allocated `room` bytes of memory for `file`.
int OpenPlain(const SqliteCopy* copy, int room, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  const bool replica = IsReplicaUri(name);
  const FixedReason* reason = WhyNotAFile(copy, name, flags);
  if (replica && room < int(std::max(sizeof(ReplicaFile), size_t(JournalFileSize())))) reason = &kOldConnection;
  if (reason != nullptr) {
    Warn(reason->parameter);
    return RefuseOpen(copy, reason->text, file, flags, out_flags);
  }
  if (!replica) return OpenBefore(copy, name, file, flags, out_flags);
  if (!(flags & SQLITE_OPEN_MAIN_DB)) return OpenJournalFile(copy, file, flags, out_flags, WarnOfMixed);
  return OpenWithParameters(copy, ParseReplicaUri(name), file, flags, out_flags);
}

int FullPathnamePlain(const SqliteCopy* copy, const char* name, int size, char* out) {
  const NameKind kind = KindOfName(name);
  // xFullPathname also leaves a URI unchanged that xOpen will refuse. If xFullPathname changed the
  // URI of a replica, xOpen would get an ordinary path and could not recognize the URI.
  if (kind != NameKind::kReplica && kind != NameKind::kWithoutVfs) return FullPathnameBefore(copy, name, size, out);
  if (strlen(name) + kSuffixBytes + 1 > size_t(size)) {
    Warn("name_bytes=" + std::to_string(size_t(size) - kSuffixBytes - 1));
    return SQLITE_CANTOPEN;
  }
  strcpy(out, name);
  return SQLITE_OK;
}

int AccessPlain(const SqliteCopy* copy, const char* name, int flags, int* result) {
  if (!IsReplicaUri(name)) return AccessBefore(copy, name, flags, result);
  *result = 0;
  return SQLITE_OK;
}

int DeletePlain(const SqliteCopy* copy, const char* name, int sync_directory) {
  return IsReplicaUri(name) ? SQLITE_OK : DeleteBefore(copy, name, sync_directory);
}

// The following routines belong to by_name, the new default VFS.

int OpenByName(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  return OpenPlain(CopyOf(vfs), vfs->szOsFile, name, file, flags, out_flags);
}
int FullPathnameByName(sqlite3_vfs* vfs, const char* name, int size, char* out) {
  return FullPathnamePlain(CopyOf(vfs), name, size, out);
}
int AccessByName(sqlite3_vfs* vfs, const char* name, int flags, int* result) {
  return AccessPlain(CopyOf(vfs), name, flags, result);
}
int DeleteByName(sqlite3_vfs* vfs, const char* name, int sync_directory) { return DeletePlain(CopyOf(vfs), name, sync_directory); }

// The following routines replace routines of the original VFS, which was the default VFS.
//
// For an ATTACH without a vfs parameter, SQLite uses the VFS with which it opened the connection.
// If a connection was opened before the registration, an ATTACH never uses by_name, and would
// create an empty file for a replica's URI. To prevent the empty file, ReplaceInPlace replaces four
// routines in SQLite's struct of the original VFS. ReplaceInPlace does not change szOsFile and
// mxPathname in the struct, because SQLite's own routines use buffers of these sizes.

const SqliteCopy* CopyOfOriginal(const sqlite3_vfs* vfs) {
  const SqliteCopy* const* copy = SqliteCopies();
  while ((*copy)->original != vfs) copy++;
  return *copy;
}

int OpenInPlace(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  return OpenPlain(CopyOfOriginal(vfs), vfs->szOsFile, name, file, flags, out_flags);
}
int FullPathnameInPlace(sqlite3_vfs* vfs, const char* name, int size, char* out) {
  return FullPathnamePlain(CopyOfOriginal(vfs), name, size, out);
}
int AccessInPlace(sqlite3_vfs* vfs, const char* name, int flags, int* result) {
  return AccessPlain(CopyOfOriginal(vfs), name, flags, result);
}
int DeleteInPlace(sqlite3_vfs* vfs, const char* name, int sync_directory) {
  return DeletePlain(CopyOfOriginal(vfs), name, sync_directory);
}

// While ReplaceInPlace runs, other threads may open files. SQLite calls xFullPathname before it
// calls xAccess, xDelete and xOpen, so ReplaceInPlace replaces xFullPathname last. A URI that
// FullPathnameInPlace has left unchanged therefore always reaches AccessInPlace, DeleteInPlace or
// OpenInPlace.
void ReplaceInPlace(sqlite3_vfs* original) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  original->xAccess = AccessInPlace;
  original->xDelete = DeleteInPlace;
  original->xOpen = OpenInPlace;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  original->xFullPathname = FullPathnameInPlace;
}

// The following routines of by_uri and by_name pass every call on unchanged to the original VFS.

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
  // The name of a replica contains the replica's URL, which can be long.
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

std::mutex g_register_mutex;  // guards changes of g_copies
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
  SqliteCopy* copy = new SqliteCopy();  // never freed, because the VFSs stay registered
  copy->api = api;
  copy->original = api->vfs_find(nullptr);
  copy->before = *copy->original;
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
  if (rc != SQLITE_OK) {
    *error = "SQLite refused to register the VFS";
    return rc;
  }
  copy->reports_refusals = RegisterRefusals(api);
  ReplaceInPlace(copy->original);
  return SQLITE_OK;
}

}  // namespace litestream
