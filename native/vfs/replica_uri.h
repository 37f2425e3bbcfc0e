// Reads the parameters of a replica's URI. The results of these functions depend only on their
// arguments and on environment variables.
#pragma once
#include <cstdint>
#include <map>
#include <string>

namespace litestream {

using UriParameters = std::map<std::string, std::string>;

// Returns whether a plain name is literally file:...?...vfs=litestream... IsReplicaUri also returns
// true for the journal of a replica, because SQLite appends "-journal" to the name of the database.
bool IsReplicaUri(const char* name);

// The prefix that xFullPathname adds to the name of a replica whose URI SQLite has parsed, so that
// the journals of the replica have other names than real files.
constexpr char kReplicaMark[] = "litestream:";
// Returns whether the name of a database, a journal or a super-journal belongs to a replica.
bool IsReplicaName(const char* name);

// The kinds of names that a copy of SQLite without URI support passes to xOpen for a main database.
enum class NameKind {
  kFile,        // an ordinary file
  kReplica,     // a replica's URI
  kWithoutVfs,  // a URI with replica_url or replica_id, but without vfs=litestream
  kPath,        // a path that ends in a replica's URI: a program has taken the URI for a file name
};
NameKind KindOfName(const char* name);

// A parameter that an environment variable can set. The name of the environment variable is
// LITESTREAM_ and the parameter's name in capitals.
struct ReaderParameter {
  const char* name;
  // The environment variable applies only if the URI or the environment also sets the parameter
  // `needs`. If `needs` is null, the environment variable always applies.
  const char* needs;
};
inline constexpr ReaderParameter kReaderParameters[] = {
    {"replica_url", nullptr},
    {"poll_interval", nullptr},
    {"cache_size", nullptr},
    {"hydration_enabled", nullptr},
    {"hydration_path", "hydration_enabled"},
    {"disk_cache", nullptr},
    {"disk_cache_size", nullptr},
    {"open_timeout", nullptr},
    {"read_timeout", nullptr},
    {"max_stale", nullptr},
    {"concurrency", nullptr},
    {"read_ahead", nullptr},
    {"hedge", nullptr},
    {"idle_poll_interval", nullptr},
    {"write_enabled", nullptr},
    {"durability", "write_enabled"},
    {"sync_interval", "write_enabled"},
    {"buffer_path", "write_enabled"},
    {"lease", "write_enabled"},
    {"compaction", "write_enabled"},
};

// Parses the parameters of a URI that SQLite passed as a plain file name.
UriParameters ParseReplicaUri(const char* uri);

// Returns the key that identifies a replica in the registry. The key consists of lines of
// name=value, sorted by name, including the values from environment variables. The key of a URI
// with replica_id is replica_id=N.
std::string ReplicaKey(UriParameters parameters);

// Returns the parameter `at` (the TXID or time that the connection reads), or an empty string.
std::string AtParameter(const UriParameters& parameters);

// Returns true and sets *id to N if the key is replica_id=N. If N is not a 32-bit number, *id is 0,
// which is the id of no replica. Returns false for a key without replica_id.
bool ReplicaIdOf(const std::string& key, uint32_t* id);

}  // namespace litestream
