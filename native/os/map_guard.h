// Protects this process while it reads a mapped file that another program may truncate. Without a
// guard, a read of the map beyond the end of the truncated file would end this process with SIGBUS.
#pragma once
#include <atomic>

#include "os/file.h"

namespace litestream {
namespace os {

// Until ReleaseMap is called, a read of the map beyond the end of the file returns zeros and sets
// *hurt to true. `hurt` must be valid until ReleaseMap has returned. After each read of the map,
// the reader must check *hurt. The map must not overlap another guarded map. Any thread may call
// GuardMap.
void GuardMap(const Map& map, std::atomic<bool>* hurt);
// The caller must call ReleaseMap before the map is unmapped.
void ReleaseMap(const Map& map);

}  // namespace os
}  // namespace litestream
