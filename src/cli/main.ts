#!/usr/bin/env node
// Node.js 22.1 and later can cache compiled code in the temporary directory, so that later commands
// start faster. NODE_COMPILE_CACHE sets another folder, and NODE_DISABLE_COMPILE_CACHE=1 disables
// the cache. The cache applies only to modules that are imported after enableCompileCache(), so the
// command itself is imported on demand.
const { enableCompileCache } = process.getBuiltinModule('node:module') as { enableCompileCache?: () => unknown }
enableCompileCache?.()
void import('./run-process.js')

export {}
