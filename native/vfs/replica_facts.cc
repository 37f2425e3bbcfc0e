// Implements the SQL functions and PRAGMAs of a replica, which return the status of the replica, or
// move the connection to an earlier TXID or time.
#include <cinttypes>
#include <cstdio>
#include <ctime>

#include "clock.h"
#include "os/thread.h"
#include "vfs/replica_file.h"
#include "vfs/write_path.h"

namespace litestream {

std::function<bool()> Interrupted(const ReplicaFile* file) {
  if (file->db == nullptr || LS_API(file->copy, libversion_number)() < 3041000) return nullptr;
  return [file] { return LS_API(file->copy, is_interrupted)(file->db) != 0; };
}

std::string TxidText(const ReplicaFile* file) {
  char text[17];
  snprintf(text, sizeof text, "%016" PRIx64, ViewOf(file)->txid);
  return text;
}

std::string ErrorText(const ReplicaFile* file) { return file->error->empty() ? ReplicaOf(file).Error() : *file->error; }

std::string TimeText(const ReplicaFile* file) {
  const int64_t ms = ViewOf(file)->timestamp;
  std::tm utc{};
  // If the year does not fit into an int, UtcTime fails, and TimeText returns the number of
  // milliseconds.
  if (!os::UtcTime(std::time_t(ms / 1000), &utc)) return std::to_string(ms) + " ms";
  char text[48];
  size_t used = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  snprintf(text + used, sizeof text - used, ".%03dZ", int(ms % 1000));
  return text;
}

int64_t LagSeconds(const ReplicaFile* file) {
  int64_t contact = ReplicaOf(file).contact.load(std::memory_order_relaxed);
  if (contact == 0) return -1;
  int64_t lag = (MonotonicMs() - contact) / 1000;
  return lag < 0 ? 0 : lag;
}

std::string StatsJson(const ReplicaFile* file) {
  Replica& replica = ReplicaOf(file);
  Replica::Counts counts = replica.Count();
  PinnedView view = ViewOf(file);
  char text[512];
  snprintf(text, sizeof text,
           "{\"hits\":%" PRIu64 ",\"misses\":%" PRIu64 ",\"crossings\":%" PRIu64 ",\"readers\":%" PRIu64
           ",\"pages\":%u,\"pageSize\":%u,\"cacheBytes\":%zu,\"txid\":\"%016" PRIx64 "\",\"hydrated\":%.1f,\"readAhead\":{",
           counts.hits, counts.misses, replica.crossings.load(), counts.readers, view->commit, view->page_size(),
           view->cache->allocated(), view->txid, replica.hydration_permille.load() / 10.0);
  std::string json = text;
  for (uint8_t i = 0; i < kAheadKindCount; i++) {
    const AheadCounts& ahead = replica.ahead[i];
    snprintf(text, sizeof text, "%s\"%s\":{\"brought\":%" PRIu64 ",\"used\":%" PRIu64 ",\"wasted\":%" PRIu64 "}",
             i == 0 ? "" : ",", kAheadKinds[i], ahead.brought.load(), ahead.used.load(), ahead.wasted.load());
    json += text;
  }
  return json + "}}";
}

int Travel(ReplicaFile* file, const std::string& target, std::string* error) {
  if (file->lock != SQLITE_LOCK_NONE || (file->db != nullptr && LS_API(file->copy, get_autocommit)(file->db) == 0)) {
    *error = "the time cannot be set inside a transaction: COMMIT or ROLLBACK first";
    return SQLITE_ERROR;
  }
  std::string lower = target;
  for (char& c : lower) c = char(tolower(c));
  if (lower == "latest") {
    (*file->reader)->travelled.store(nullptr);
    return SQLITE_OK;
  }
  auto request = std::make_shared<Request>();
  request->kind = RequestKind::kTravel;
  request->replica = *file->replica;
  request->reader = *file->reader;
  request->text = target;
  Outcome outcome = Bridge::Get().Ask(request, ReplicaOf(file).read_timeout.load(), Interrupted(file));
  if (outcome == Outcome::kOk) return SQLITE_OK;
  *error = outcome == Outcome::kInterrupted ? "interrupted"
           : outcome == Outcome::kFailed    ? request->message
           : outcome == Outcome::kTimeout ? "no answer from the replica in time"
                                          : "the replica worker is not running";
  return outcome == Outcome::kInterrupted ? SQLITE_INTERRUPT : SQLITE_ERROR;
}

// Handles SQLite's PRAGMAs locking_mode and synchronous before SQLite itself handles these PRAGMAs.
// If the PRAGMA is refused, returns an error message. Otherwise returns null.
static const char* OwnPragma(ReplicaFile* file, const std::string& name, std::string value) {
  for (char& c : value) c = char(tolower(c));
  if (name == "locking_mode" && value == "exclusive" && file->writable) {
    return "PRAGMA locking_mode=EXCLUSIVE is not supported for a replica that is written";
  }
  if (name == "synchronous") {
    bool full = value == "full" || value == "2" || value == "extra" || value == "3";
    bool relaxed = value == "normal" || value == "1" || value == "off" || value == "0";
    if (full) file->durability = Durability::kStore;
    else if (relaxed) file->durability = Durability::kLocal;
  }
  return nullptr;
}

// Implements `PRAGMA litestream_write_enabled`, which enables or disables writing on one
// connection. The PRAGMA accepts the same values as in Litestream's own SQLite extension.
template <typename Refuse, typename Answer>
static int SetWriteEnabled(ReplicaFile* file, std::string value, Refuse refuse, Answer answer) {
  for (char& c : value) c = char(tolower(c));
  bool on = value == "1" || value == "true" || value == "on", off = value == "0" || value == "false" || value == "off";
  if (!on && !off) return refuse("litestream_write_enabled is 0 or 1, not \"" + value + "\"");
  if (file->reserved) return refuse("litestream_write_enabled cannot be changed while the connection writes: COMMIT or ROLLBACK first");
  if (on && !ReplicaOf(file).writable.load()) return refuse("the replica was not opened for writing: add write_enabled=true to its URI");
  file->writable = on;
  return answer(on ? "1" : "0");
}

int Pragma(ReplicaFile* file, char** arguments) {
  const SqliteCopy* copy = file->copy;
  std::string name = arguments[1], value = arguments[2] == nullptr ? "" : arguments[2];
  bool set = arguments[2] != nullptr;
  auto answer = [&](const std::string& text) {
    arguments[0] = LS_API(copy, mprintf)("%s", text.c_str());
    return SQLITE_OK;
  };
  auto refuse = [&](const std::string& text, int code = SQLITE_ERROR) {
    arguments[0] = LS_API(copy, mprintf)("%s", text.c_str());
    return code;
  };
  for (char& c : name) c = char(tolower(c));
  if (const char* why = OwnPragma(file, name, value)) return refuse(why);
  if (name.rfind("litestream_", 0) != 0) return SQLITE_NOTFOUND;
  if (name == "litestream_sync") {
    std::string error;
    int rc = FlushWrites(file, &error);
    return rc == SQLITE_OK ? answer(TxidText(file)) : refuse(error, rc);
  }
  if (name == "litestream_write_enabled" && set) return SetWriteEnabled(file, value, refuse, answer);
  if (name == "litestream_time" && set) {
    std::string error;
    int rc = Travel(file, value, &error);
    if (rc != SQLITE_OK) return refuse(error, rc);
    return answer(TimeText(file));
  }
  std::string text;
  if (name == "litestream_txid") text = TxidText(file);
  else if (name == "litestream_time") text = TimeText(file);
  else if (name == "litestream_lag") text = std::to_string(LagSeconds(file));
  else if (name == "litestream_stats") text = StatsJson(file);
  else if (name == "litestream_error") text = ErrorText(file);
  else if (name == "litestream_write_enabled") text = file->writable ? "1" : "0";
  else if (name == "litestream_hydration_file") text = ReplicaOf(file).HydrationPath();
  else if (name == "litestream_hydration_progress") {
    char progress[16];
    snprintf(progress, sizeof progress, "%.1f", ReplicaOf(file).hydration_permille.load() / 10.0);
    text = progress;
  } else return SQLITE_NOTFOUND;
  if (set) return refuse(name + " is read-only");
  return answer(text);
}

}  // namespace litestream
