// The rollback journal of a replica, and a super-journal that is named after one, as sqlite3_files. They live in a SpillFile and end
// with the connection: after a crash there is nothing to roll back, because nothing of the transaction has left the process.
#pragma once
#include "vfs/sqlite_copy.h"

namespace litestream {

// Opens an empty one. Returns SQLITE_NOMEM if there is no memory for it.
int OpenJournalFile(const SqliteCopy* copy, sqlite3_file* file, int flags, int* out_flags);
// Bytes of an sqlite3_file that OpenJournalFile needs.
int JournalFileSize();

}  // namespace litestream
