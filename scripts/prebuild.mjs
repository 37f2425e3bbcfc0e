// Compiles the addon for the platforms of scripts/prebuild/targets.mjs into prebuilds/, with
// prebuilds/SHA256SUMS. Runs on Linux and macOS; needs python3 and PyPI once, for the compiler. The
// same sources give the same bytes on every machine.
//
// usage: npm run prebuild -- [--twice] [TARGET…]
//   --twice      compile each target a second time, in another folder, and compare the bytes
//   TARGET       names of targets; default: all
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { commandLine } from './command-line.mjs'
import { compile } from './prebuild/compile.mjs'
import { inspect } from './prebuild/inspect.mjs'
import { sourceHash } from './prebuild/source-hash.mjs'
import { TARGETS } from './prebuild/targets.mjs'
import { findZig } from './prebuild/toolchain.mjs'

const root = path.dirname(import.meta.dirname)
const cache = path.join(root, '.cache')
const prebuilds = path.join(root, 'prebuilds')
const hash = (file) => createHash('sha256').update(readFileSync(file)).digest('hex')

/**
 * Compiles one target and puts it into prebuilds/, unless the binary there is of the same sources.
 */
function prebuild(zig, target, twice) {
  const stamp = path.join(cache, 'prebuild', `${target.name}.stamp`)
  const file = path.join(prebuilds, `${target.name}.node`)
  const wanted = sourceHash()
  if (!twice && existsSync(file) && existsSync(stamp) && readFileSync(stamp, 'utf8') === `${wanted} ${hash(file)}`) {
    console.log(`${target.name}: up to date`)
    return
  }
  const started = Date.now()
  const work = path.join(cache, 'prebuild', target.name)
  const made = compile(zig, target, work, cache)
  if (twice) {
    const other = compile(zig, target, path.join(os.tmpdir(), `litestream-prebuild-${process.pid}`), cache)
    if (hash(other) !== hash(made)) throw new Error(`${target.name}: two compilations differ: ${made} and ${other}`)
    rmSync(path.dirname(other), { recursive: true })
  }
  const report = inspect(made, target)
  copyFileSync(made, file)
  rmSync(work, { recursive: true })
  writeFileSync(stamp, `${wanted} ${hash(file)}`)
  console.log(`${target.name}: ${report}, ${((Date.now() - started) / 1000).toFixed(0)} s`)
}

function writeSums() {
  const files = readdirSync(prebuilds).filter((file) => file.endsWith('.node'))
  const lines = files.sort().map((file) => `${hash(path.join(prebuilds, file))}  ${file}\n`)
  writeFileSync(path.join(prebuilds, 'SHA256SUMS'), lines.join(''))
}

const {
  values: { twice },
  positionals: names,
} = commandLine(import.meta.filename, {
  options: { twice: { type: 'boolean', default: false } },
  names: TARGETS.map(({ name }) => name),
})
os.setPriority(5)
mkdirSync(path.join(cache, 'prebuild'), { recursive: true })
mkdirSync(prebuilds, { recursive: true })
const zig = findZig(cache)
for (const target of TARGETS) if (names.length === 0 || names.includes(target.name)) prebuild(zig, target, twice)
writeSums()
