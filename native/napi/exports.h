// Each Export function adds the functions and classes of one source file to the exports of the
// addon. src/native/addon.ts has the TypeScript types of all exports.
#pragma once
#include <napi.h>

namespace litestream {
void ExportConstants(Napi::Env env, Napi::Object exports);
void ExportClock(Napi::Env env, Napi::Object exports);
void ExportLtxCodec(Napi::Env env, Napi::Object exports);
void ExportPageIndex(Napi::Env env, Napi::Object exports);
void ExportFrameMerger(Napi::Env env, Napi::Object exports);
void ExportLz4Frame(Napi::Env env, Napi::Object exports);
void ExportPageWriter(Napi::Env env, Napi::Object exports);
void ExportFileLock(Napi::Env env, Napi::Object exports);
void ExportListedFile(Napi::Env env, Napi::Object exports);
void ExportFileStamps(Napi::Env env, Napi::Object exports);
void ExportWalScan(Napi::Env env, Napi::Object exports);
void ExportHandle(Napi::Env env, Napi::Object exports);
void ExportWorker(Napi::Env env, Napi::Object exports);
void ExportViews(Napi::Env env, Napi::Object exports);
void ExportPages(Napi::Env env, Napi::Object exports);
void ExportHydration(Napi::Env env, Napi::Object exports);
void ExportWrite(Napi::Env env, Napi::Object exports);
void ExportSourceDatabase(Napi::Env env, Napi::Object exports);
}  // namespace litestream
