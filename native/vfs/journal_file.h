// A JournalFile is the sqlite3_file of a replica's rollback journal. A JournalFile is also the
// sqlite3_file of a super-journal whose name derives from a replica. A SpillFile stores the journal
// until SQLite closes the journal. The journal need not survive a crash, because the uncommitted
// pages of a replica exist only in the process.
//
// In a transaction over several databases, SQLite appends a record to each journal. The record has
// the name of the super-journal and ends with a magic number. If a journal has the name of a
// super-journal that does not exist, SQLite does not roll back the journal. A JournalFile stores
// zeros in place of the record's magic number, so SQLite finds no super-journal name in the journal
// of a replica. SQLite therefore always rolls back the journal of a replica, and the rollback
// restores SQLite's page cache. The super-journal of a transaction that writes to an ordinary
// database must survive a crash. If the super-journal's name derives from a replica, the
// super-journal does not survive a crash, so the transaction must not write to an ordinary
// database.
#pragma once
#include "vfs/sqlite_copy.h"

namespace litestream {

// Opens an empty journal, or an empty super-journal if `flags` has SQLITE_OPEN_SUPER_JOURNAL. When
// SQLite writes the journal name of an ordinary database to the super-journal of a replica, the
// write fails with SQLITE_READONLY and `on_mixed` is called. Returns SQLITE_OK, or SQLITE_NOMEM if
// out of memory.
int OpenJournalFile(const SqliteCopy* copy, sqlite3_file* file, int flags, int* out_flags, void (*on_mixed)());
// Returns how many bytes of memory OpenJournalFile needs for `file`.
int JournalFileSize();

}  // namespace litestream
