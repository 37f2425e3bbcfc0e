// Registers the SQL functions litestream_txid(), litestream_time(), litestream_lag(),
// litestream_set_time(x), litestream_stats() and litestream_error() on a connection. The SQL
// functions of litestream-ts are registered only on a connection that has opened a replica.
#include "vfs/replica_file.h"

namespace litestream {

ReplicaFile* FindReplicaFile(const SqliteCopy* copy, sqlite3* db) {
  // Looks for a replica in the schema main first, and then in the attached databases. The schema
  // temp (number 1) is never a replica.
  const char* schema = "main";
  for (int i = 0; schema != nullptr; i++) {
    sqlite3_file* file = nullptr;
    if (LS_API(copy, file_control)(db, schema, SQLITE_FCNTL_FILE_POINTER, &file) == SQLITE_OK && IsReplicaFile(file)) {
      return reinterpret_cast<ReplicaFile*>(file);
    }
    if (LS_API(copy, libversion_number)() < 3039000) break;
    schema = LS_API(copy, db_name)(db, i + 1);
  }
  return nullptr;
}

namespace {

struct Call {
  Call(sqlite3_context* context, const SqliteCopy* copy) : context(context), copy(copy) {
    file = FindReplicaFile(copy, LS_API(copy, context_db_handle)(context));
    if (file == nullptr) Error("no replica is open on this connection");
  }
  void Text(const std::string& text) {
    LS_API(copy, result_text)(context, text.data(), int(text.size()), SQLITE_TRANSIENT);
  }
  void Error(const std::string& text, int code = SQLITE_ERROR) {
    LS_API(copy, result_error)(context, text.data(), int(text.size()));
    if (code != SQLITE_ERROR) LS_API(copy, result_error_code)(context, code);
  }
  sqlite3_context* context;
  const SqliteCopy* copy;
  ReplicaFile* file;
};

void TxidCall(Call& call, sqlite3_value**) { call.Text(TxidText(call.file)); }
void TimeCall(Call& call, sqlite3_value**) { call.Text(TimeText(call.file)); }
void StatsCall(Call& call, sqlite3_value**) { call.Text(StatsJson(call.file)); }
void ErrorCall(Call& call, sqlite3_value**) { call.Text(ErrorText(call.file)); }
void LagCall(Call& call, sqlite3_value**) {
  LS_API(call.copy, result_int64)(call.context, LagSeconds(call.file));
}
void SetTimeCall(Call& call, sqlite3_value** arguments) {
  const unsigned char* target = LS_API(call.copy, value_text)(arguments[0]);
  if (target == nullptr) return call.Error("timestamp required");
  std::string error;
  int rc = Travel(call.file, reinterpret_cast<const char*>(target), &error);
  if (rc != SQLITE_OK) return call.Error(error, rc);
  call.Text(TimeText(call.file));
}

// Each copy of SQLite gets its own callback functions, and N is the index of the copy in
// SqliteCopies(). A callback function for all copies could not determine which copy of SQLite has
// called it. Such a callback would have to call sqlite3_user_data, but each copy has its own
// routine sqlite3_user_data.
template <size_t N, void (*F)(Call&, sqlite3_value**)>
void Callback(sqlite3_context* context, int, sqlite3_value** arguments) {
  Call call(context, SqliteCopies()[N]);
  if (call.file != nullptr) F(call, arguments);
}

template <size_t N>
int Register(const SqliteCopy* copy, sqlite3* db) {
  const int flags = SQLITE_UTF8;
  struct {
    const char* name;
    int arguments;
    int flags;
    void (*callback)(sqlite3_context*, int, sqlite3_value**);
  } functions[] = {
      {"litestream_txid", 0, flags, Callback<N, TxidCall>},
      {"litestream_time", 0, flags, Callback<N, TimeCall>},
      {"litestream_lag", 0, flags, Callback<N, LagCall>},
      {"litestream_stats", 0, flags, Callback<N, StatsCall>},
      {"litestream_error", 0, flags, Callback<N, ErrorCall>},
      {"litestream_set_time", 1, flags | SQLITE_DIRECTONLY, Callback<N, SetTimeCall>},
  };
  for (auto& f : functions) {
    int rc = LS_API(copy, create_function_v2)(db, f.name, f.arguments, f.flags, nullptr, f.callback, nullptr, nullptr, nullptr);
    if (rc != SQLITE_OK) return rc;
  }
  return SQLITE_OK;
}

}  // namespace

int RegisterSqlFunctions(const SqliteCopy* copy, sqlite3* db) {
  static_assert(kMaxSqliteCopies == 4, "one line a copy below");
  if (copy == SqliteCopies()[0]) return Register<0>(copy, db);
  if (copy == SqliteCopies()[1]) return Register<1>(copy, db);
  if (copy == SqliteCopies()[2]) return Register<2>(copy, db);
  return Register<3>(copy, db);
}

}  // namespace litestream
