// The addon's sources, and where those of other projects are that it is compiled with. None of them is in the repository: the
// npm packages that carry them are development dependencies, and `npm pack` puts a copy into the package (scripts/vendor.mjs).
//
// `node native-sources.cjs sources` prints the addon's source files, relative to native/, for binding.gyp;
// `node native-sources.cjs lz4|sqlite|node-addon-api` prints a folder to include from.
const { existsSync, readdirSync } = require('node:fs')
const path = require('node:path')

const native = path.join(__dirname, '../native')
/** Copies in the published package. */
const vendor = path.join(native, 'vendor')

/** LZ4 1.10.0 and xxHash (BSD-2); sqlite3ext.h (public domain); node-addon-api (MIT): folders below node_modules. */
const ORIGINS = {
  lz4: 'lmdb/dependencies/lz4/lib',
  sqlite: 'better-sqlite3/deps/sqlite3',
  'node-addon-api': 'node-addon-api',
}

/** The folder of one of ORIGINS. Packages do not export their files, so Node's look-up is repeated here. */
function folderOf(name) {
  const candidates = [path.join(vendor, name), ...module.paths.map((dir) => path.join(dir, ORIGINS[name]))]
  const found = candidates.find((dir) => existsSync(dir))
  if (!found) throw new Error(`native-sources: ${name} is in none of ${candidates.join(', ')}`)
  return found
}

/** The addon's own source files, relative to native/, with forward slashes, sorted. */
function sources() {
  return readdirSync(native, { recursive: true })
    .map((file) => file.split(path.sep).join('/'))
    .filter((file) => /\.(cc|c)$/.test(file) && !/^(build|vendor)\//.test(file))
    .sort()
}

module.exports = { ORIGINS, folderOf, native, sources, vendor }
if (require.main === module) {
  const [what] = process.argv.slice(2)
  console.log(what === 'sources' ? sources().join('\n') : folderOf(what))
}
