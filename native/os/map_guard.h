// Guards reads of a mapped file that another program truncates: the system then sends SIGBUS, which
// would end the process.
#pragma once
#include <atomic>

#include "os/file.h"

namespace litestream {
namespace os {

// Until ReleaseMap, a read of this map beyond the end of the file gives zeros and sets `hurt`,
// which must live that long. The reader checks `hurt` after it has read. Any thread; the map must
// not overlap another guarded map.
void GuardMap(const Map& map, std::atomic<bool>* hurt);
// Must be called before the map is unmapped.
void ReleaseMap(const Map& map);

}  // namespace os
}  // namespace litestream
