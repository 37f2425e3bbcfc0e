// Copies the sources of other projects that the addon is compiled with into native/vendor, with
// their licences, so that the published package can be compiled without them (`litestream-ts
// build-addon`). Part of `npm pack`; never committed.
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

const { ORIGINS, folderOf, vendor } = createRequire(import.meta.url)('./native-sources.cjs')

const FILES = {
  lz4: ['lz4.c', 'lz4.h', 'xxhash.c', 'xxhash.h', 'LICENSE'],
  sqlite: ['sqlite3.h', 'sqlite3ext.h'],
  'node-addon-api': ['napi.h', 'napi-inl.h', 'napi-inl.deprecated.h', 'LICENSE.md'],
}

/** Replaces native/vendor with the files of node_modules. */
export function writeVendor() {
  rmSync(vendor, { recursive: true, force: true })
  for (const name of Object.keys(ORIGINS)) {
    const from = folderOf(name)
    mkdirSync(path.join(vendor, name), { recursive: true })
    for (const file of FILES[name]) cpSync(path.join(from, file), path.join(vendor, name, file))
  }
  writeFileSync(
    path.join(vendor, 'sqlite/LICENSE'),
    'SQLite is in the public domain: https://www.sqlite.org/copyright.html\n',
  )
}

export function removeVendor() {
  rmSync(vendor, { recursive: true, force: true })
}
