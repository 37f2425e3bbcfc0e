// Reads the parameters of a replica's URI. The results of these functions depend only on their
// arguments and on environment variables.
#pragma once
#include <cstdint>
#include <map>
#include <string>

namespace litestream {

using UriParameters = std::map<std::string, std::string>;

// Returns whether a plain name has the literal form file:...?...vfs=litestream... For the journal
// of a replica, IsReplicaUri also returns true, because SQLite appends "-journal" to the name of
// the database.
bool IsReplicaUri(const char* name);

// If SQLite has parsed the URI of a replica, xFullPathname adds this prefix to the name. The names
// of the replica's journals therefore differ from the names of real files.
constexpr char kReplicaMark[] = "litestream:";
// Returns whether the name of a database, a journal or a super-journal belongs to a replica.
bool IsReplicaName(const char* name);

// For a main database, a copy of SQLite without URI support passes one of these kinds of names to
// xOpen.
enum class NameKind {
  kFile,        // an ordinary file
  kReplica,     // a replica's URI
  kWithoutVfs,  // a URI with replica_url or replica_id, but without vfs=litestream
  kPath,        // a path that ends in a replica's URI: a program has taken the URI for a file name
};
NameKind KindOfName(const char* name);

// A parameter that an environment variable can set. The environment variable is named LITESTREAM_
// plus the parameter's name in capitals.
struct ReaderParameter {
  const char* name;
  // The environment variable applies only if the parameter `needs` has a value in the URI or in the
  // environment. If `needs` is null, the environment variable always applies.
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

// Parses the parameters of a URI. SQLite has passed the URI as a plain file name.
UriParameters ParseReplicaUri(const char* uri);

// Returns the key under which the registry has the replica. The key consists of lines of
// name=value, sorted by name. The key includes the values from environment variables. If the URI
// has the parameter replica_id, the key is replica_id=N.
std::string ReplicaKey(UriParameters parameters);

// Returns the value of the parameter `at`, which is the TXID or time that the connection reads. If
// `at` is missing, returns an empty string.
std::string AtParameter(const UriParameters& parameters);

// If the key is replica_id=N, sets *id to N and returns true. If N is not a 32-bit number, sets *id
// to 0. No replica has the id 0. For a key without replica_id, returns false.
bool ReplicaIdOf(const std::string& key, uint32_t* id);

}  // namespace litestream
