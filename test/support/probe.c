// A loadable extension for tests: what C code can do with a connection and no driver exposes. Compiled by probe.ts.
#include <stdio.h>
#include <string.h>

#include "sqlite3ext.h"
SQLITE_EXTENSION_INIT1

// One for the process, whichever thread's connection it is: probe_interrupt() is called on another connection than probe_remember().
static sqlite3 *remembered;

static void Remember(sqlite3_context *context, int argc, sqlite3_value **argv) {
  (void)argc, (void)argv;
  remembered = sqlite3_context_db_handle(context);
}

static void Interrupt(sqlite3_context *context, int argc, sqlite3_value **argv) {
  (void)context, (void)argc, (void)argv;
  sqlite3_interrupt(remembered);
}

static sqlite3_file *FileOf(sqlite3_context *context) {
  sqlite3_file *file = 0;
  sqlite3_file_control(sqlite3_context_db_handle(context), "main", SQLITE_FCNTL_FILE_POINTER, &file);
  return file;
}

// probe_read(offset, size): the bytes that xRead gives, whatever SQLite's own cache holds; the result code where that is an error.
static void Read(sqlite3_context *context, int argc, sqlite3_value **argv) {
  (void)argc;
  sqlite3_file *file = FileOf(context);
  int size = sqlite3_value_int(argv[1]);
  void *buffer = sqlite3_malloc(size);
  memset(buffer, 0xee, (size_t)size);
  int rc = file->pMethods->xRead(file, buffer, size, sqlite3_value_int64(argv[0]));
  if (rc == SQLITE_OK) sqlite3_result_blob(context, buffer, size, SQLITE_TRANSIENT);
  else sqlite3_result_int(context, rc);
  sqlite3_free(buffer);
}

static void FileSize(sqlite3_context *context, int argc, sqlite3_value **argv) {
  (void)argc, (void)argv;
  sqlite3_file *file = FileOf(context);
  sqlite3_int64 size = -1;
  file->pMethods->xFileSize(file, &size);
  sqlite3_result_int64(context, size);
}

// probe_locks('l1 l2 u1 ...'): calls xLock (l) and xUnlock (u) with these levels; the result codes, with spaces between.
static void Locks(sqlite3_context *context, int argc, sqlite3_value **argv) {
  (void)argc;
  sqlite3_file *file = FileOf(context);
  char answer[200] = "";
  for (const char *p = (const char *)sqlite3_value_text(argv[0]); *p != 0; p++) {
    if (*p != 'l' && *p != 'u') continue;
    int level = p[1] - '0';
    int rc = *p == 'l' ? file->pMethods->xLock(file, level) : file->pMethods->xUnlock(file, level);
    size_t used = strlen(answer);
    snprintf(answer + used, sizeof answer - used, "%s%d", used > 0 ? " " : "", rc);
  }
  sqlite3_result_text(context, answer, -1, SQLITE_TRANSIENT);
}

// probe_row(sql): name and text of the first column as Python's driver asks for them; "NULL" is what it takes for out of memory.
static void Row(sqlite3_context *context, int argc, sqlite3_value **argv) {
  (void)argc;
  sqlite3_stmt *statement = 0;
  sqlite3 *db = sqlite3_context_db_handle(context);
  if (sqlite3_prepare_v2(db, (const char *)sqlite3_value_text(argv[0]), -1, &statement, 0) != SQLITE_OK) {
    sqlite3_result_error(context, sqlite3_errmsg(db), -1);
    return;
  }
  int rc = sqlite3_step(statement);
  const char *name = sqlite3_column_name(statement, 0);
  const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : "no row";
  char *answer = sqlite3_mprintf("%s|%s", name ? name : "NULL", text ? text : "NULL");
  sqlite3_result_text(context, answer, -1, sqlite3_free);
  sqlite3_finalize(statement);
}

// probe_reserve(n): bytes at the end of each page that SQLite leaves alone, from the next VACUUM on.
static void Reserve(sqlite3_context *context, int argc, sqlite3_value **argv) {
  (void)argc;
  int bytes = sqlite3_value_int(argv[0]);
  sqlite3_file_control(sqlite3_context_db_handle(context), "main", SQLITE_FCNTL_RESERVE_BYTES, &bytes);
}

int sqlite3_probe_init(sqlite3 *db, char **error, const sqlite3_api_routines *api) {
  (void)error;
  SQLITE_EXTENSION_INIT2(api);
  sqlite3_create_function(db, "probe_remember", 0, SQLITE_UTF8, 0, Remember, 0, 0);
  sqlite3_create_function(db, "probe_interrupt", 0, SQLITE_UTF8, 0, Interrupt, 0, 0);
  sqlite3_create_function(db, "probe_read", 2, SQLITE_UTF8, 0, Read, 0, 0);
  sqlite3_create_function(db, "probe_file_size", 0, SQLITE_UTF8, 0, FileSize, 0, 0);
  sqlite3_create_function(db, "probe_locks", 1, SQLITE_UTF8, 0, Locks, 0, 0);
  sqlite3_create_function(db, "probe_reserve", 1, SQLITE_UTF8, 0, Reserve, 0, 0);
  sqlite3_create_function(db, "probe_row", 1, SQLITE_UTF8, 0, Row, 0, 0);
  return SQLITE_OK;
}
