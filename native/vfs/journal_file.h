// A JournalFile is the sqlite3_file of a replica's rollback journal, or of a super-journal whose
// name derives from a replica. A SpillFile stores the journal until the connection closes. A
// journal need not survive a crash, because no page of an uncommitted transaction leaves the
// process.
//
// In a transaction over several databases, SQLite writes the name of the super-journal and a magic
// number to the end of each journal. SQLite skips the rollback of a journal whose super-journal
// does not exist. The journal of a replica does not store the magic number. SQLite therefore finds
// no super-journal name in the journal of a replica, and always executes the rollback, which
// restores SQLite's page cache. The super-journal of an ordinary database must survive a crash. A
// transaction whose super-journal name derives from a replica therefore must not write to an
// ordinary database.
#pragma once
#include "vfs/sqlite_copy.h"

namespace litestream {

// Opens an empty journal. Calls `on_mixed` when a write to a super-journal is refused because the
// transaction also writes to an ordinary database. Returns SQLITE_NOMEM if out of memory.
int OpenJournalFile(const SqliteCopy* copy, sqlite3_file* file, int flags, int* out_flags, void (*on_mixed)());
// Returns the size in bytes of the sqlite3_file that OpenJournalFile needs.
int JournalFileSize();

}  // namespace litestream
