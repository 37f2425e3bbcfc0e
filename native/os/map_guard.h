// Reads of a mapped file that another program makes shorter: the system answers with SIGBUS, which would end the process.
#pragma once
#include <atomic>

#include "os/file.h"

namespace litestream {
namespace os {

// From now on a read of this map beyond the end of the file gives zeros and sets `hurt`, which must live until ReleaseMap. The reader
// looks at `hurt` after it has read. Any thread; not for a map that overlaps another guarded one.
void GuardMap(const Map& map, std::atomic<bool>* hurt);
// To be called before the map is unmapped.
void ReleaseMap(const Map& map);

}  // namespace os
}  // namespace litestream
