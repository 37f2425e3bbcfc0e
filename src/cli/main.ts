#!/usr/bin/env node
// Node.js 22.1 and later can keep compiled code in a folder of the system's temporary one, which
// shortens every further command; NODE_COMPILE_CACHE names another folder, and
// NODE_DISABLE_COMPILE_CACHE=1 turns the cache off. The cache applies to modules that are imported
// after this call, so that all others are imported on demand.
const { enableCompileCache } = process.getBuiltinModule('node:module') as { enableCompileCache?: () => unknown }
enableCompileCache?.()
await import('./run-process.js')

export {}
