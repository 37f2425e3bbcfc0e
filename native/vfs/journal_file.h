// A JournalFile is the sqlite3_file of a replica's rollback journal. A JournalFile is also the
// sqlite3_file of a super-journal whose name derives from a replica. A SpillFile stores the journal
// until the connection closes. A journal need not survive a crash, because uncommitted pages exist
// only in the process.
//
// In a transaction over several databases, SQLite writes the name of the super-journal and a magic
// number to the end of each journal. If the super-journal does not exist, SQLite does not roll back
// the journal. The journal of a replica does not store the magic number. SQLite therefore finds no
// super-journal name in this journal. SQLite always executes the rollback of this journal, which
// restores SQLite's page cache. The super-journal of an ordinary database must survive a crash. If
// the super-journal's name derives from a replica, the transaction must therefore not write to an
// ordinary database.
#pragma once
#include "vfs/sqlite_copy.h"

namespace litestream {

// Opens an empty journal. If the transaction also writes to an ordinary database, the write to the
// super-journal is refused, and `on_mixed` is called. Returns SQLITE_NOMEM if out of memory.
int OpenJournalFile(const SqliteCopy* copy, sqlite3_file* file, int flags, int* out_flags, void (*on_mixed)());
// Returns the size in bytes of the sqlite3_file that OpenJournalFile needs.
int JournalFileSize();

}  // namespace litestream
