// When Node.js loads the addon, it calls Init in addon.cc. SQLite can load the same shared object
// as an SQLite extension (sqlite_extension.cc). The addon and the SQLite extension share their
// global variables.
#include "napi/exports.h"

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  litestream::ExportConstants(env, exports);
  litestream::ExportClock(env, exports);
  litestream::ExportLtxCodec(env, exports);
  litestream::ExportPageIndex(env, exports);
  litestream::ExportFrameMerger(env, exports);
  litestream::ExportLz4Frame(env, exports);
  litestream::ExportPageWriter(env, exports);
  litestream::ExportFileLock(env, exports);
  litestream::ExportListedFile(env, exports);
  litestream::ExportFileStamps(env, exports);
  litestream::ExportWalScan(env, exports);
  litestream::ExportHandle(env, exports);
  litestream::ExportWorker(env, exports);
  litestream::ExportViews(env, exports);
  litestream::ExportPages(env, exports);
  litestream::ExportHydration(env, exports);
  litestream::ExportWrite(env, exports);
  litestream::ExportSourceDatabase(env, exports);
  return exports;
}

NODE_API_MODULE(litestream, Init)
