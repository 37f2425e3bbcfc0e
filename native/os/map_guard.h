// Guards reads of a mapped file against truncation by another program. A read beyond the end of the
// truncated file causes SIGBUS, which would end the process.
#pragma once
#include <atomic>

#include "os/file.h"

namespace litestream {
namespace os {

// Until ReleaseMap, a read of the map beyond the end of the file gives zeros and sets `hurt`.
// `hurt` must exist until ReleaseMap. The reader must check `hurt` after each read. The map must
// not overlap another guarded map. Any thread may call GuardMap.
void GuardMap(const Map& map, std::atomic<bool>* hurt);
// The caller must call ReleaseMap before it unmaps the map.
void ReleaseMap(const Map& map);

}  // namespace os
}  // namespace litestream
