// The addon's sources, and where those of other projects are that it is compiled with. None of them
// is in the repository: the npm packages that carry them are development dependencies, and `npm
// pack` puts a copy into the package (scripts/vendor.mjs).
//
// `node native-sources.cjs units` prints the addon's compilation units, relative to native/, for
// binding.gyp; `node native-sources.cjs lz4|sqlite|node-addon-api` prints a folder to include from.
const { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } = require('node:fs')
const path = require('node:path')

const native = path.join(__dirname, '../native')
/** Copies in the published package. */
const vendor = path.join(native, 'vendor')

/**
 * LZ4 1.10.0 and xxHash (BSD-2); sqlite3ext.h (public domain); node-addon-api (MIT): folders below
 * node_modules.
 */
const ORIGINS = {
  lz4: 'lmdb/dependencies/lz4/lib',
  sqlite: 'better-sqlite3/deps/sqlite3',
  'node-addon-api': 'node-addon-api',
}

/**
 * The folder of one of ORIGINS. Packages do not export their files, so Node's look-up is repeated
 * here.
 */
function folderOf(name) {
  const candidates = [path.join(vendor, name), ...module.paths.map((dir) => path.join(dir, ORIGINS[name]))]
  const found = candidates.find((dir) => existsSync(dir))
  if (!found) throw new Error(`native-sources: ${name} is in none of ${candidates.join(', ')}`)
  return found
}

/** Folders of native/ that are not the addon's own sources. */
const OTHER = /^(build|units|vendor)\//
/** Folders whose files are units of their own: they define functions of the same name. */
const SEPARATE = ['vfs']

/** The addon's own source files, relative to native/, with forward slashes, sorted. */
function sources() {
  return readdirSync(native, { recursive: true })
    .map((file) => file.split(path.sep).join('/'))
    .filter((file) => /\.(cc|c)$/.test(file) && !OTHER.test(file))
    .sort()
}

/**
 * Returns the files to compile, relative to native/: the C++ files of a folder form one unit,
 * native/units/FOLDER.cc, because most of the time goes into the headers that all of them include.
 * Writes these files if they changed.
 */
function units() {
  const folders = new Map()
  const units = []
  for (const file of sources()) {
    const folder = path.dirname(file)
    if (file.endsWith('.c') || SEPARATE.includes(folder)) units.push(file)
    else folders.set(folder, [...(folders.get(folder) ?? []), file])
  }
  mkdirSync(path.join(native, 'units'), { recursive: true })
  for (const [folder, files] of folders) {
    const unit = `units/${folder === '.' ? 'addon' : folder}.cc`
    const text = files.map((file) => `#include "../${file}"\n`).join('')
    const target = path.join(native, unit)
    if (!existsSync(target) || readFileSync(target, 'utf8') !== text) writeFileSync(target, text)
    units.push(unit)
  }
  return units.sort()
}

module.exports = { ORIGINS, OTHER, folderOf, native, units, vendor }
if (require.main === module) {
  const [what] = process.argv.slice(2)
  console.log(what === 'units' ? units().join('\n') : folderOf(what))
}
