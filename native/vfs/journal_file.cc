#include "vfs/journal_file.h"

#include <cstring>
#include <new>

#include "vfs/replica_uri.h"
#include "vfs/spill_file.h"

namespace litestream {

namespace {

struct JournalFile {
  sqlite3_file base;  // must be the first member: SQLite uses only `base`
  SpillFile* bytes;
  bool is_super;
  void (*on_mixed)();
};

// The magic number of SQLite's rollback journal
// (https://www.sqlite.org/fileformat2.html#the_rollback_journal). A journal header begins with the
// magic number, and the record with the super-journal's name ends with the magic number. A write of
// exactly these 8 bytes is always the end of the record with the super-journal's name.
constexpr uint8_t kMagic[8] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};

JournalFile* Self(sqlite3_file* file) { return reinterpret_cast<JournalFile*>(file); }

SpillFile& Bytes(sqlite3_file* file) { return *reinterpret_cast<JournalFile*>(file)->bytes; }

int Close(sqlite3_file* file) {
  delete reinterpret_cast<JournalFile*>(file)->bytes;
  file->pMethods = nullptr;
  return SQLITE_OK;
}
int Read(sqlite3_file* file, void* to, int size, sqlite3_int64 offset) {
  return Bytes(file).Read(to, uint32_t(size), uint64_t(offset));
}
int Write(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
  // Each write to a super-journal contains the name of one journal and the zero byte that ends this
  // name.
  if (Self(file)->is_super && !IsReplicaName(static_cast<const char*>(from))) {
    Self(file)->on_mixed();
    return SQLITE_READONLY;
  }
  static const uint8_t kNoMagic[sizeof kMagic] = {};
  if (size == int(sizeof kMagic) && memcmp(from, kMagic, sizeof kMagic) == 0) from = kNoMagic;
  return Bytes(file).Write(from, uint32_t(size), uint64_t(offset));
}
int Truncate(sqlite3_file* file, sqlite3_int64 size) { return Bytes(file).Truncate(uint64_t(size)); }
int Sync(sqlite3_file*, int) { return SQLITE_OK; }
int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  *size = sqlite3_int64(Bytes(file).size());
  return SQLITE_OK;
}
int Lock(sqlite3_file*, int) { return SQLITE_OK; }
int Unlock(sqlite3_file*, int) { return SQLITE_OK; }
int CheckReservedLock(sqlite3_file*, int* result) {
  *result = 0;
  return SQLITE_OK;
}
int FileControl(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int SectorSize(sqlite3_file*) { return 4096; }
int DeviceCharacteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

const sqlite3_io_methods kMethods = {
    1,    Close, Read, Write, Truncate, Sync, FileSize, Lock, Unlock, CheckReservedLock, FileControl, SectorSize,
    DeviceCharacteristics, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr,
};

}  // namespace

int OpenJournalFile(const SqliteCopy* copy, sqlite3_file* base, int flags, int* out_flags, void (*on_mixed)()) {
  auto* file = reinterpret_cast<JournalFile*>(base);
  file->base.pMethods = nullptr;
  file->bytes = new (std::nothrow) SpillFile(copy);
  if (file->bytes == nullptr) return SQLITE_NOMEM;
  file->is_super = (flags & SQLITE_OPEN_SUPER_JOURNAL) != 0;
  file->on_mixed = on_mixed;
  file->base.pMethods = &kMethods;
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int JournalFileSize() { return int(sizeof(JournalFile)); }

}  // namespace litestream
