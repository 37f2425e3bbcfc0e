#!/usr/bin/env node
// Node.js 22.1 and later can cache compiled code in the temporary directory, which makes later
// commands start faster. NODE_COMPILE_CACHE sets another folder, and NODE_DISABLE_COMPILE_CACHE=1
// disables the cache. The cache applies only to modules that are imported after
// enableCompileCache(), so the code of the command is imported on demand.
const { enableCompileCache } = process.getBuiltinModule('node:module') as { enableCompileCache?: () => unknown }
enableCompileCache?.()
void import('./run-process.js')

export {}
