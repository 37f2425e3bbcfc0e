// The rollback journal of a replica, and a super-journal named after one, as sqlite3_files. They
// are stored in a SpillFile and end with the connection: after a crash nothing must be rolled back,
// because no page of the transaction has left the process.
//
// A transaction over several databases: SQLite writes the name of the super-journal to the end of
// each journal, and skips the rollback of a journal whose super-journal does not exist. The name ends
// with a magic number. The journal of a replica does not store this number, so SQLite finds no name
// and always rolls back, which restores its page cache. An ordinary database needs a super-journal that
// outlives a crash, so a transaction whose super-journal is named after a replica may not write to
// an ordinary database.
#pragma once
#include "vfs/sqlite_copy.h"

namespace litestream {

// Opens an empty journal. `on_mixed`: called when a super-journal is refused. Returns SQLITE_NOMEM if
// out of memory.
int OpenJournalFile(const SqliteCopy* copy, sqlite3_file* file, int flags, int* out_flags, void (*on_mixed)());
// The size in bytes of the sqlite3_file that OpenJournalFile needs.
int JournalFileSize();

}  // namespace litestream
