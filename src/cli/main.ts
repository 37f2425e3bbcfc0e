#!/usr/bin/env node
// Node.js 22.1 and later can keep compiled code in a folder of the system's temporary directory,
// which shortens all later commands. NODE_COMPILE_CACHE names another folder, and
// NODE_DISABLE_COMPILE_CACHE=1 disables the cache. The cache applies only to modules that are
// imported after enableCompileCache(), so the command itself is imported on demand.
const { enableCompileCache } = process.getBuiltinModule('node:module') as { enableCompileCache?: () => unknown }
enableCompileCache?.()
await import('./run-process.js')

export {}
