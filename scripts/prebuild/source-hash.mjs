// What a prebuilt binary is made of, as one hash: our sources, those of others, the compiler and
// how it is called.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { ZIG_VERSION } from './toolchain.mjs'

const { OTHER, folderOf, native } = createRequire(import.meta.url)('../native-sources.cjs')

function filesOf(folder) {
  return readdirSync(folder, { recursive: true })
    .filter((file) => /\.(c|cc|h)$/.test(file) && !OTHER.test(file))
    .sort()
    .map((file) => path.join(folder, file))
}

export function sourceHash() {
  const hash = createHash('sha256').update(ZIG_VERSION)
  const scripts = ['compile.mjs', 'node-api-stubs.mjs', 'targets.mjs'].map((file) =>
    path.join(import.meta.dirname, file),
  )
  // Of SQLite only the headers are used.
  const headers = ['sqlite3.h', 'sqlite3ext.h'].map((file) => path.join(folderOf('sqlite'), file))
  for (const file of [...scripts, ...filesOf(native), ...filesOf(folderOf('lz4')), ...headers]) {
    hash.update(`${path.basename(file)}\0`).update(readFileSync(file))
  }
  return hash.digest('hex')
}
