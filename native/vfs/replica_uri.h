// Reads the parameters of a replica's URI. The results of the functions of replica_uri.h depend
// only on the arguments and on environment variables.
#pragma once
#include <cstdint>
#include <map>
#include <string>

namespace litestream {

using UriParameters = std::map<std::string, std::string>;

// Returns whether the plain file name `name` is the URI of a replica
// (file:...?...vfs=litestream...). For the journal of a replica, IsReplicaUri also returns true,
// because SQLite appends "-journal" to the name of the database.
bool IsReplicaUri(const char* name);

// If SQLite has parsed the URI of a replica, xFullPathname puts kReplicaMark before the database
// name. The prefix kReplicaMark distinguishes the names of the replica's journals from the names of
// ordinary files.
constexpr char kReplicaMark[] = "litestream:";
// Returns whether `name` is the name of a replica, of a replica's journal, or of a super-journal
// whose name derives from a replica.
bool IsReplicaName(const char* name);

// The kinds of names that xOpen receives for a main database if SQLite has not parsed the name as a
// URI.
enum class NameKind {
  kFile,        // an ordinary file
  kReplica,     // a replica's URI
  kWithoutVfs,  // a URI with replica_url or replica_id, but without vfs=litestream
  kPath,        // a path that ends with a replica's URI: a program used the URI as a path
};
NameKind KindOfName(const char* name);

// A parameter that an environment variable can set. The name of the environment variable is
// LITESTREAM_ and the parameter's name in capitals.
struct ReaderParameter {
  const char* name;
  // If `needs` is not null, the environment variable applies only if the parameter `needs` has a
  // value in the URI or in the environment.
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

// Parses the parameters of `uri`, which SQLite has passed as a plain file name.
UriParameters ParseReplicaUri(const char* uri);

// Returns the key by which the Registry (bridge.h) finds the replica. The key has one line
// name=value for each parameter, sorted by name. The key also has the parameters that environment
// variables set. If the URI has the parameter replica_id=N, the key is only replica_id=N.
std::string ReplicaKey(UriParameters parameters);

// Returns the value of the parameter `at`, which is the TXID or time at which the connection reads
// the database. If the URI has no parameter `at`, returns an empty string.
std::string AtParameter(const UriParameters& parameters);

// If `key` is replica_id=N, sets *id to N and returns true. If N is not a 32-bit number, sets *id
// to 0, which is the id of no replica, and returns true. If `key` does not begin with replica_id=,
// returns false.
bool ReplicaIdOf(const std::string& key, uint32_t* id);

}  // namespace litestream
