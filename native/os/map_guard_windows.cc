#ifdef _WIN32
#include "os/map_guard.h"

namespace litestream {
namespace os {

// On Windows, no program can truncate a mapped file, so GuardMap and ReleaseMap do nothing.
void GuardMap(const Map&, std::atomic<bool>*) {}
void ReleaseMap(const Map&) {}

}  // namespace os
}  // namespace litestream
#endif
