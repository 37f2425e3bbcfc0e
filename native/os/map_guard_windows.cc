#ifdef _WIN32
#include "os/map_guard.h"

namespace litestream {
namespace os {

// Windows refuses to make a mapped file shorter.
void GuardMap(const Map&, std::atomic<bool>*) {}
void ReleaseMap(const Map&) {}

}  // namespace os
}  // namespace litestream
#endif
