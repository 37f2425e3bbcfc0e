// The rollback journal of a replica, and a super-journal named after one, as sqlite3_files. They
// are stored in a SpillFile and end with the connection: after a crash nothing must be rolled back,
// because no page of the transaction has left the process.
#pragma once
#include "vfs/sqlite_copy.h"

namespace litestream {

// Opens an empty journal. Returns SQLITE_NOMEM if out of memory.
int OpenJournalFile(const SqliteCopy* copy, sqlite3_file* file, int flags, int* out_flags);
// The size in bytes of the sqlite3_file that OpenJournalFile needs.
int JournalFileSize();

}  // namespace litestream
