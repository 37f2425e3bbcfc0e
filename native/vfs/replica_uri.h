// The parameters of a replica's URI. Pure functions of text, except that they read environment
// variables.
#pragma once
#include <cstdint>
#include <map>
#include <string>

namespace litestream {

using UriParameters = std::map<std::string, std::string>;

// Whether a plain name is literally file:...?...vfs=litestream... (or a journal name derived from
// one, which only appends to it).
bool IsReplicaUri(const char* name);

// Prefix that xFullPathname adds to the name of a replica whose URI SQLite has parsed, so that its
// journals differ from real files.
constexpr char kReplicaMark[] = "litestream:";
// Whether the name of a database, a journal or a super-journal belongs to a replica.
bool IsReplicaName(const char* name);

// The kinds of plain names of a main database, in a copy of SQLite that reads no URIs.
enum class NameKind {
  kFile,        // an ordinary file
  kReplica,     // a replica's URI
  kWithoutVfs,  // a URI with replica_url or replica_id, but without vfs=litestream
  kPath,        // a path that ends in a replica's URI: a program has taken the URI for a file name
};
NameKind KindOfName(const char* name);

// A parameter that the environment can set too, as LITESTREAM_ and its name in capitals.
struct ReaderParameter {
  const char* name;
  // The environment sets the parameter only if it also sets `needs`; null: always.
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

// The key that names the replica: lines of name=value, sorted by name, completed from the
// environment; or replica_id=N.
std::string ReplicaKey(UriParameters parameters);

// The TXID or time of the connection (`at`); empty without one.
std::string AtParameter(const UriParameters& parameters);

// The id in a key replica_id=N; 0, which no replica has, if N is not a 32-bit number. False for any
// other key.
bool ReplicaIdOf(const std::string& key, uint32_t* id);

}  // namespace litestream
