#include "exports.h"

namespace litestream {
void ExportWalScan(Napi::Env, Napi::Object) {}
}  // namespace litestream
