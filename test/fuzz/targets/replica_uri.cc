// The URI of a replica.
#include <string>

#include "input.h"
#include "vfs/replica_uri.h"

using namespace litestream;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string uri(reinterpret_cast<const char*>(data), size);
  IsReplicaUri(uri.c_str());
  KindOfName(uri.c_str());
  const UriParameters parameters = ParseReplicaUri(uri.c_str());
  AtParameter(parameters);
  uint32_t id = 0;
  ReplicaIdOf(ReplicaKey(parameters), &id);
  return 0;
}
