{
  "variables": {
    # LZ4 1.10.0 (BSD-2) comes as C source inside the npm package lmdb; sqlite3ext.h inside better-sqlite3.
    "lz4": "<!(node scripts/native-sources.cjs lz4)",
    "sqlite": "<!(node scripts/native-sources.cjs sqlite)",
    "sanitize%": ""
  },
  "targets": [
    {
      "target_name": "litestream",
      "sources": [
        "native/addon.cc",
        "native/ltx/crc64.cc",
        "native/ltx/frame_merger.cc",
        "native/napi/file_lock_napi.cc",
        "native/napi/frame_merger_napi.cc",
        "native/ltx/ltx_codec.cc",
        "native/ltx/ltx_legacy_frame.cc",
        "native/ltx/frame_batch.cc",
        "native/napi/ltx_codec_napi.cc",
        "native/napi/page_index_napi.cc",
        "native/napi/clock_napi.cc",
        "native/wal/wal_frames.cc",
        "native/napi/wal_scan_napi.cc",
        "native/napi/arguments.cc",
        "native/replica/btree.cc",
        "native/replica/page_cache.cc",
        "native/replica/replica.cc",
        "native/replica/hydrated_file.cc",
        "native/replica/background_thread.cc",
        "native/replica/bridge.cc",
        "native/vfs/replica_file.cc",
        "native/vfs/replica_facts.cc",
        "native/vfs/sql_functions.cc",
        "native/vfs/replica_uri.cc",
        "native/vfs/vfs.cc",
        "native/sqlite_extension.cc",
        "native/napi/handle_napi.cc",
        "native/napi/worker_napi.cc",
        "native/napi/views_napi.cc",
        "native/napi/pages_napi.cc",
        "native/napi/hydration_napi.cc",
        "native/napi/write_napi.cc",
        "native/vfs/spill_file.cc",
        "native/vfs/journal_file.cc",
        "native/vfs/write_transaction.cc",
        "native/vfs/write_path.cc",
        "native/napi/source_database_napi.cc",
        "native/napi/lz4_frame_napi.cc",
        "native/napi/page_writer_napi.cc",
        "native/ltx/lz4_block.c",
        "native/ltx/xxhash_impl.c"
      ],
      "include_dirs": [
        "native",
        "<!(node -p \"require('node-addon-api').include_dir\")",
        "<(lz4)",
        "<(sqlite)"
      ],
      # The last: work that ends on the thread pool while Node is exiting cannot settle its promise, and must not abort the process.
      "defines": [
        "NAPI_VERSION=8",
        "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS",
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
      ],
      "cflags": ["-O3", "-Wall", "-Wextra", "-Wno-unused-parameter", "-fvisibility=hidden"],
      "cflags_cc": ["-std=c++17", "-fno-exceptions"],
      "xcode_settings": {
        "CLANG_CXX_LANGUAGE_STANDARD": "c++17",
        "MACOSX_DEPLOYMENT_TARGET": "11.0",
        "GCC_OPTIMIZATION_LEVEL": "3"
      },
      "conditions": [
        ["sanitize!=''", {
          "cflags": ["-fsanitize=<(sanitize)", "-fno-omit-frame-pointer", "-g"],
          "ldflags": ["-fsanitize=<(sanitize)"]
        }]
      ]
    }
  ]
}
