{
  "variables": {
    # Sources and headers of other projects; see scripts/native-sources.cjs.
    "lz4": "<!(node ../scripts/native-sources.cjs lz4)",
    "sqlite": "<!(node ../scripts/native-sources.cjs sqlite)",
    "napi": "<!(node ../scripts/native-sources.cjs node-addon-api)",
    "sanitize%": ""
  },
  "targets": [
    {
      "target_name": "litestream",
      "sources": ["<!@(node ../scripts/native-sources.cjs units)"],
      "include_dirs": [
        ".",
        "<(napi)",
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
