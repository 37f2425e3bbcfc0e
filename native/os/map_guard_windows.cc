#ifdef _WIN32
#include "os/map_guard.h"

namespace litestream {
namespace os {

// Windows does not allow truncating a mapped file.
void GuardMap(const Map&, std::atomic<bool>*) {}
void ReleaseMap(const Map&) {}

}  // namespace os
}  // namespace litestream
#endif
