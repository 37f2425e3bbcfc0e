// Prints the folder of C sources inside an npm package: `lz4` (carried by lmdb) or `sqlite` (carried by better-sqlite3). The
// packages do not export their package.json, so Node's lookup is walked by hand.
const { existsSync } = require('node:fs')
const path = require('node:path')

const folders = { lz4: 'lmdb/dependencies/lz4/lib', sqlite: 'better-sqlite3/deps/sqlite3' }
const wanted = folders[process.argv[2]]
const found = module.paths.map((dir) => path.join(dir, wanted)).find((dir) => existsSync(dir))
if (!found) throw new Error(`native-sources: ${wanted} is in none of ${module.paths.join(', ')}`)
console.log(found)
