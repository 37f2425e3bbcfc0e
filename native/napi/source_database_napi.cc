// The primary reads bytes of the database file and of the wal-index, which SQL statements cannot
// read. The addon reads the database file and the wal-index through SQLite's own file handles, so
// that it never closes another handle of these files. If a process closes any other handle of the
// database file or of the -shm file, the process loses every POSIX lock that SQLite holds on this
// file (https://www.sqlite.org/howtocorrupt.html, "close() on a separate descriptor").
//
// The addon receives a connection in three steps on one thread: JavaScript calls expectSource(),
// the SQLite driver loads this addon as an extension (sqlite_extension.cc), and JavaScript calls
// takeSource(). A separate extension entry point would be simpler, but node:sqlite does not let the
// caller select an entry point. Each Source has the routine table of the copy of SQLite that opened
// its connection, because a process can contain several copies of SQLite.
#ifndef _WIN32
#include <fcntl.h>
#include <sys/stat.h>
#endif

#include <climits>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>

#include "napi/arguments.h"
#include "napi/deferred.h"
#include "napi/exports.h"
#include "napi/source_database.h"

namespace litestream {
namespace {

constexpr int kNear = 4096;            // the largest distance from `near` in nearestDescriptor
constexpr int kShmRegionSize = 32768;  // SQLite maps the wal-index in regions of this many bytes

// A connection of the primary. Only the connection's thread uses a Source, except that any thread
// may call interruptSource(), and that a checkpoint runs on the thread pool. After the connection
// was closed, `db` is null.
struct Source {
  const sqlite3_api_routines* api;
  sqlite3* db;
  bool checkpointing = false;
};
using SourceRef = std::shared_ptr<Source>;

// Guards the map that Interruptible() returns and the counter g_last_interrupter. While a
// connection is interrupted or closed, g_interruptible_mutex also guards the member `db` of the
// connection's Source.
std::mutex g_interruptible_mutex;
std::map<uint32_t, SourceRef>& Interruptible() {
  static auto* sources = new std::map<uint32_t, SourceRef>();
  return *sources;
}
uint32_t g_last_interrupter = 0;

// `expected` is true between the calls of expectSource() and takeSource(). `loaded` is the Source
// that InitSource() has created and that takeSource() will return. Each thread has its own
// `expected` and `loaded`.
thread_local bool expected = false;
thread_local SourceRef loaded;

sqlite3_file* MainFile(const Source& source) {
  sqlite3_file* file = nullptr;
  if (source.db != nullptr && !source.checkpointing) source.api->file_control(source.db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
  return file != nullptr && file->pMethods != nullptr ? file : nullptr;
}

// SQLite calls Closed when the connection closes. SQLite would also call Closed if
// litestream_source() were replaced by another SQL function, but no code replaces
// litestream_source().
void Closed(void* data) {
  auto* source = static_cast<SourceRef*>(data);
  {
    std::lock_guard<std::mutex> guard(g_interruptible_mutex);
    auto& sources = Interruptible();
    for (auto each = sources.begin(); each != sources.end();) {
      each = each->second == *source ? sources.erase(each) : std::next(each);
    }
    (*source)->db = nullptr;
  }
  delete source;
}

void Nothing(sqlite3_context*, int, sqlite3_value**) {}

// expectSource() announces that the next connection that loads the extension on this thread is a
// connection of the primary.
void ExpectSource(const Napi::CallbackInfo&) { expected = true; }

// takeSource() returns a handle of the connection that has loaded the extension on this thread
// since the call of expectSource(). If no connection has loaded the extension since the call of
// expectSource(), the result is undefined.
Napi::Value TakeSource(const Napi::CallbackInfo& info) {
  expected = false;
  if (!loaded) return info.Env().Undefined();
  return Handle<Source>::New(info.Env(), std::move(loaded));
}

// sourceWalIndex(source, out) copies the start of the wal-index into `out`. Returns false if the
// connection has no wal-index. Another connection can change the wal-index during the copy. The
// caller must therefore compare the two copies of the header that the wal-index contains.
Napi::Value WalIndex(const Napi::CallbackInfo& info) {
  Arguments args(info, "sourceWalIndex");
  const SourceRef source = args.Open<Source>(args[0], "source");
  const Span<uint8_t> out = args.Bytes(args[1], "out");
  args.Require(out.size <= size_t(kShmRegionSize), "out is longer than the first region of the wal-index");
  if (!args.ok()) return {};
  sqlite3_file* file = MainFile(*source);
  volatile void* region = nullptr;
  if (file == nullptr || file->pMethods->iVersion < 2 ||
      file->pMethods->xShmMap(file, 0, kShmRegionSize, 0, &region) != SQLITE_OK || region == nullptr) {
    return Napi::Boolean::New(info.Env(), false);
  }
  file->pMethods->xShmBarrier(file);
  if (out.size > 0) memcpy(out.data, const_cast<const void*>(region), out.size);
  file->pMethods->xShmBarrier(file);
  return Napi::Boolean::New(info.Env(), true);
}

// lockHolder(fd, offset) returns the process ID of another process that holds a lock on the byte at
// `offset` of the open file `fd`. If the other process has no process ID in the current container,
// the result is -1. If no other process holds a lock on the byte, the result is 0. lockHolder does
// not take or release a lock.
Napi::Value LockHolder(const Napi::CallbackInfo& info) {
  Arguments args(info, "lockHolder");
  const int fd = args.Descriptor(args[0]);
  const uint64_t offset = args.U53(args[1], "offset");
  if (!args.ok()) return {};
#ifdef _WIN32
  return Napi::Number::New(info.Env(), 0);
#else
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = off_t(offset);
  lock.l_len = 1;
  if (fcntl(fd, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) {
    return Napi::Number::New(info.Env(), 0);
  }
  return Napi::Number::New(info.Env(), lock.l_pid > 0 ? lock.l_pid : -1);
#endif
}

// nearestDescriptor(inode, near) searches for an open file with the inode number `inode` among the
// descriptors whose distance from the descriptor `near` is at most kNear. Returns the nearest
// descriptor that has this inode number. If no descriptor has this inode number, the result is -1.
Napi::Value NearestDescriptor(const Napi::CallbackInfo& info) {
  Arguments args(info, "nearestDescriptor");
  const uint64_t inode = args.U64(args[0], "inode");
  const int near = args.Descriptor(args[1]);
  if (!args.ok()) return {};
#ifndef _WIN32
  const auto is_it = [inode](int64_t fd) {
    struct stat stats;
    return fd >= 0 && fd <= INT_MAX && fstat(int(fd), &stats) == 0 && uint64_t(stats.st_ino) == inode;
  };
  for (int64_t away = 0; away <= kNear; away++) {
    if (is_it(near - away)) return Napi::Number::New(info.Env(), double(near - away));
    if (is_it(near + away)) return Napi::Number::New(info.Env(), double(near + away));
  }
#endif
  return Napi::Number::New(info.Env(), -1);
}

// sourceRead(source, offset, out) fills `out` with the bytes of the database file from `offset` on.
// If the database file ends before `out` is full, the rest of `out` becomes zeros. Returns an
// SQLite result code.
Napi::Value Read(const Napi::CallbackInfo& info) {
  Arguments args(info, "sourceRead");
  const SourceRef source = args.Open<Source>(args[0], "source");
  const sqlite3_int64 offset = sqlite3_int64(args.U53(args[1], "offset"));
  const Span<uint8_t> out = args.Bytes(args[2], "out");
  args.Require(out.size <= size_t(INT_MAX), "out is longer than SQLite can read at once");
  if (!args.ok()) return {};
  sqlite3_file* file = MainFile(*source);
  if (file == nullptr) return Napi::Number::New(info.Env(), SQLITE_MISUSE);
  const int rc = file->pMethods->xRead(file, out.data, int(out.size), offset);
  return Napi::Number::New(info.Env(), rc == SQLITE_IOERR_SHORT_READ ? SQLITE_OK : rc);
}

class CheckpointWork : public Napi::AsyncWorker {
 public:
  CheckpointWork(Napi::Env env, SourceRef source)
      : Napi::AsyncWorker(env), deferred_(env), source_(std::move(source)) {
    source_->checkpointing = true;
  }
  Napi::Value promise() const { return deferred_.promise(); }
  void Execute() override {
    rc_ = source_->api->wal_checkpoint_v2(source_->db, "main", SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  }
  void OnOK() override {
    source_->checkpointing = false;
    deferred_.Resolve(Napi::Number::New(Env(), rc_));
  }
  void OnError(const Napi::Error& error) override {
    source_->checkpointing = false;
    deferred_.Reject(error.Value());
  }

 private:
  Deferred deferred_;
  const SourceRef source_;
  int rc_ = SQLITE_OK;
};

// sourceCheckpoint(source) runs a passive checkpoint on the thread pool, because a checkpoint waits
// for the disk twice. Returns a promise that resolves to an SQLite result code. Until the promise
// settles, the caller must not use or close the connection, because SQLite does not let two threads
// use one connection at the same time.
Napi::Value Checkpoint(const Napi::CallbackInfo& info) {
  Arguments args(info, "sourceCheckpoint");
  const SourceRef source = args.Open<Source>(args[0], "source");
  args.Require(source == nullptr || (source->db != nullptr && !source->checkpointing),
               "source is closed, or runs a checkpoint already");
  if (!args.ok()) return {};
  auto* work = new CheckpointWork(info.Env(), source);
  auto promise = work->promise();
  work->Queue();
  return promise;
}

// sourceLock(source) takes SQLite's EXCLUSIVE lock on the database file. Returns an SQLite result
// code. sourceLock fails if another connection of this process or of another process holds a lock
// on the database file. In WAL mode, every open connection holds a lock on the database file.
Napi::Value Lock(const Napi::CallbackInfo& info) {
  Arguments args(info, "sourceLock");
  const SourceRef source = args.Open<Source>(args[0], "source");
  if (!args.ok()) return {};
  sqlite3_file* file = MainFile(*source);
  if (file == nullptr) return Napi::Number::New(info.Env(), SQLITE_MISUSE);
  int rc = file->pMethods->xLock(file, SQLITE_LOCK_SHARED);
  if (rc == SQLITE_OK) rc = file->pMethods->xLock(file, SQLITE_LOCK_RESERVED);
  if (rc == SQLITE_OK) rc = file->pMethods->xLock(file, SQLITE_LOCK_EXCLUSIVE);
  if (rc != SQLITE_OK) file->pMethods->xUnlock(file, SQLITE_LOCK_NONE);
  return Napi::Number::New(info.Env(), rc);
}

// sourceUnlock(source) releases the lock that sourceLock() has taken.
Napi::Value Unlock(const Napi::CallbackInfo& info) {
  Arguments args(info, "sourceUnlock");
  const SourceRef source = args.Open<Source>(args[0], "source");
  if (!args.ok()) return {};
  sqlite3_file* file = MainFile(*source);
  if (file != nullptr) file->pMethods->xUnlock(file, SQLITE_LOCK_NONE);
  return {};
}

// sourceInterrupter(source) returns a number that identifies the connection in a call of
// interruptSource() on any thread.
Napi::Value Interrupter(const Napi::CallbackInfo& info) {
  Arguments args(info, "sourceInterrupter");
  const SourceRef source = args.Open<Source>(args[0], "source");
  if (!args.ok()) return {};
  std::lock_guard<std::mutex> guard(g_interruptible_mutex);
  const uint32_t number = ++g_last_interrupter;
  if (source->db != nullptr) Interruptible()[number] = source;
  return Napi::Number::New(info.Env(), number);
}

// interruptSource(interrupter) interrupts the statements that are running on the connection with
// the number `interrupter`. Any thread may call interruptSource. After the connection was closed,
// interruptSource has no effect.
Napi::Value Interrupt(const Napi::CallbackInfo& info) {
  Arguments args(info, "interruptSource");
  const uint32_t number = args.U32(args[0], "interrupter");
  if (!args.ok()) return {};
  std::lock_guard<std::mutex> guard(g_interruptible_mutex);
  const auto found = Interruptible().find(number);
  if (found != Interruptible().end()) found->second->api->interruptx(found->second->db);
  return {};
}

// sourceAutocommit(source) returns false while the connection is inside a transaction.
Napi::Value Autocommit(const Napi::CallbackInfo& info) {
  Arguments args(info, "sourceAutocommit");
  const SourceRef source = args.Open<Source>(args[0], "source");
  if (!args.ok()) return {};
  return Napi::Boolean::New(info.Env(), source->db == nullptr || source->api->get_autocommit(source->db) != 0);
}

}  // namespace

bool SourceExpected() { return expected; }

// InitSource also configures the connection so that SQLite neither deletes nor checkpoints the -wal
// file when the connection closes. After a restart, the primary reads the -wal file to prove that
// no WAL frame was missed.
int InitSource(sqlite3* db, const sqlite3_api_routines* api) {
  int on = 1;
  int rc = api->file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &on);
  if (rc == SQLITE_OK) rc = api->db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  if (rc != SQLITE_OK) return rc;
  loaded = std::make_shared<Source>(Source{api, db, false});
  // No SQL statement calls litestream_source(). The SQL function litestream_source() is registered
  // only because SQLite calls its destructor when the connection closes.
  return api->create_function_v2(db, "litestream_source", 0, SQLITE_UTF8, new SourceRef(loaded), Nothing, nullptr, nullptr,
                                 Closed);
}

void ExportSourceDatabase(Napi::Env env, Napi::Object exports) {
  exports.Set("expectSource", Napi::Function::New(env, ExpectSource));
  exports.Set("nearestDescriptor", Napi::Function::New(env, NearestDescriptor));
  exports.Set("lockHolder", Napi::Function::New(env, LockHolder));
  exports.Set("sourceLock", Napi::Function::New(env, Lock));
  exports.Set("sourceUnlock", Napi::Function::New(env, Unlock));
  exports.Set("sourceInterrupter", Napi::Function::New(env, Interrupter));
  exports.Set("interruptSource", Napi::Function::New(env, Interrupt));
  exports.Set("sourceAutocommit", Napi::Function::New(env, Autocommit));
  exports.Set("takeSource", Napi::Function::New(env, TakeSource));
  exports.Set("sourceWalIndex", Napi::Function::New(env, WalIndex));
  exports.Set("sourceCheckpoint", Napi::Function::New(env, Checkpoint));
  exports.Set("sourceRead", Napi::Function::New(env, Read));
}

}  // namespace litestream
