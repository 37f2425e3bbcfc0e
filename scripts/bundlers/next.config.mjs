import path from 'node:path'

export default {
  output: 'standalone',
  outputFileTracingRoot: import.meta.dirname,
  turbopack: { root: path.resolve(import.meta.dirname) },
  serverExternalPackages: ['litestream-ts', 'better-sqlite3'],
}
