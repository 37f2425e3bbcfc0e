#include "exports.h"

namespace litestream {
void ExportLtxCodec(Napi::Env, Napi::Object) {}
}  // namespace litestream
