// Protects reads of a mapped file in case another program truncates the file. If a program reads a
// map beyond the end of the truncated file, SIGBUS ends the program.
#pragma once
#include <atomic>

#include "os/file.h"

namespace litestream {
namespace os {

// Between GuardMap and ReleaseMap, a read beyond the end of the file returns zeros and sets `hurt`.
// `hurt` must exist until ReleaseMap has returned. The reader must check `hurt` after each read.
// The map must not overlap another guarded map. Any thread may call GuardMap.
void GuardMap(const Map& map, std::atomic<bool>* hurt);
// The caller must call ReleaseMap before the map is unmapped.
void ReleaseMap(const Map& map);

}  // namespace os
}  // namespace litestream
