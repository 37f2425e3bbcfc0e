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
        "native/crc64.cc",
        "native/frame_merger.cc",
        "native/frame_merger_napi.cc",
        "native/ltx_codec.cc",
        "native/ltx_legacy_frame.cc",
        "native/ltx_codec_napi.cc",
        "native/page_index_napi.cc",
        "native/wal_scan.cc",
        "native/btree.cc",
        "native/page_cache.cc",
        "native/replica.cc",
        "native/hydrated_file.cc",
        "native/background_thread.cc",
        "native/bridge.cc",
        "native/replica_file.cc",
        "native/replica_facts.cc",
        "native/sql_functions.cc",
        "native/vfs.cc",
        "native/sqlite_extension.cc",
        "native/handle_napi.cc",
        "native/worker_napi.cc",
        "native/views_napi.cc",
        "native/pages_napi.cc",
        "native/hydration_napi.cc",
        "native/source_database.cc",
        "native/lz4_frame_napi.cc",
        "native/page_writer_napi.cc",
        "native/lz4_block.c",
        "native/xxhash_impl.c"
      ],
      "include_dirs": [
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
