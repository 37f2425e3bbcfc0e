// The parameters of a replica's URI. Pure functions of text, but for the environment's variables.
#pragma once
#include <cstdint>
#include <map>
#include <string>

namespace litestream {

using UriParameters = std::map<std::string, std::string>;

// A plain name that is literally file:...?...vfs=litestream... (or a journal name made from one, which only adds to its end).
bool IsReplicaUri(const char* name);

// The parameters of a URI that came as a plain file name.
UriParameters ParseReplicaUri(const char* uri);

// What names the replica: lines of name=value, sorted by name, completed from the environment; or replica_id=N.
std::string ReplicaKey(UriParameters parameters);

// The TXID or time of the connection; empty without one.
std::string AtParameter(const UriParameters& parameters);

// The id in a key replica_id=N; 0, which no replica has, if N is no number of 32 bits. False for any other key.
bool ReplicaIdOf(const std::string& key, uint32_t* id);

}  // namespace litestream
