// Builds an application with the bundlers and frameworks that are too large for the gate (esbuild,
// webpack and @vercel/nft are in test/package/bundlers.test.ts), and runs what they made in a folder
// of its own; needs dist/ (npm run build:all). The packages are fetched once into .cache/bundlers;
// none of their install scripts is run. One that cannot be had here is one line that begins with
// "not run".
//
// usage: npm run bundlers -- [NAME…]
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { commandLine } from './command-line.mjs'

const root = path.dirname(import.meta.dirname)
const here = path.join(import.meta.dirname, 'bundlers')
/** A CommonJS package with an addon, which no bundler includes. */
const DRIVER = 'better-sqlite3'
const ROLLUP = ['rollup@4', '@rollup/plugin-node-resolve@16', '@rollup/plugin-commonjs@29']
/** Of the replica that every bundle must read. */
const ROWS = 3

/**
 * `packages`: what npm installs. `build(folder, work)`: builds in `folder`, which has the packages
 * and litestream-ts, and returns the program to run. Each is run in a folder without the sources.
 */
const BUNDLERS = {
  'rollup, external': {
    packages: ROLLUP,
    build: rollup([DRIVER, 'litestream-ts']),
  },
  'rollup, included': { packages: ROLLUP, build: rollup([DRIVER]) },
  'vite SSR': { packages: ['vite@8'], build: vite({}) },
  'vite SSR, included': { packages: ['vite@8'], build: vite({ noExternal: ['litestream-ts'] }) },
  'lambda zip of esbuild': { packages: ['esbuild@0.28'], build: lambda },
  'next, webpack, standalone': { packages: ['next@16', 'react@19', 'react-dom@19'], build: next('--webpack') },
  'next, turbopack, standalone': { packages: ['next@16', 'react@19', 'react-dom@19'], build: next('--turbopack') },
}

function rollup(external) {
  return async (folder, work) => {
    const require = createRequire(path.join(folder, 'package.json'))
    const load = async (name) => import(pathToFileURL(require.resolve(name)))
    const { rollup: start } = await load('rollup')
    const { default: resolve } = await load('@rollup/plugin-node-resolve')
    const { default: commonjs } = await load('@rollup/plugin-commonjs')
    const plugins = [resolve({ preferBuiltins: true, exportConditions: ['node'] }), commonjs()]
    const bundle = await start({ input: path.join(folder, 'program.mjs'), external, plugins, onLog: () => {} })
    await bundle.write({ dir: path.join(work, 'out'), format: 'es', entryFileNames: '[name].mjs' })
    installBeside(work)
    return ['out/program.mjs']
  }
}

function vite(ssr) {
  return async (folder, work) => {
    const { build } = await import(pathToFileURL(path.join(folder, 'node_modules/vite/dist/node/index.js')))
    await build({
      root: folder,
      logLevel: 'error',
      configFile: false,
      ssr,
      build: { ssr: 'program.mjs', outDir: path.join(work, 'out'), emptyOutDir: true },
    })
    installBeside(work)
    const name = ['program.mjs', 'program.js'].find((file) => existsSync(path.join(work, 'out', file)))
    writeFileSync(path.join(work, 'package.json'), '{ "type": "module" }')
    return [`out/${name}`]
  }
}

/** A CommonJS bundle and the package beside it: the content of a zip file for AWS Lambda. */
async function lambda(folder, work) {
  const { build } = createRequire(path.join(folder, 'package.json'))('esbuild')
  await build({
    absWorkingDir: folder,
    entryPoints: ['handler.mjs'],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    external: [DRIVER, 'litestream-ts'],
    outfile: path.join(work, 'handler.js'),
    logLevel: 'error',
  })
  installBeside(work)
  const call = "require('./handler.js').handler().then(({ body }) => console.log(body))"
  return ['-e', `${call}.then(() => process.exit())`]
}

function next(bundler) {
  return async (folder, work) => {
    rmSync(path.join(folder, '.next'), { recursive: true, force: true })
    const program = path.join(folder, 'node_modules/next/dist/bin/next')
    const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' }
    execFileSync(process.execPath, [program, 'build', bundler], { cwd: folder, env, stdio: 'pipe' })
    cpSync(path.join(folder, '.next/standalone'), work, { recursive: true, verbatimSymlinks: true })
    return { server: 'server.js', path: '/api' }
  }
}

/** litestream-ts and the driver as an application's installation has them. */
function installBeside(folder) {
  const modules = path.join(folder, 'node_modules')
  mkdirSync(modules, { recursive: true })
  for (const name of ['litestream-ts', 'better-sqlite3', 'bindings', 'file-uri-to-path']) {
    const to = path.join(modules, name)
    if (!existsSync(to))
      cpSync(realpathSync(path.join(app, 'node_modules', name)), to, { recursive: true, filter: isUsed })
  }
}

/** Not the sources of SQLite and the objects of the compilation. */
function isUsed(file) {
  return !/better-sqlite3\/(deps|build\/Release\/(obj|test))/.test(file)
}

function cached(packages) {
  const folder = path.join(root, '.cache/bundlers', packages.join('+').replaceAll(/[^\w.+-]/g, '-'))
  if (!existsSync(path.join(folder, '.complete'))) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    writeFileSync(path.join(folder, 'package.json'), '{ "private": true }')
    const options = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts']
    execFileSync('npm', ['install', ...options, '--prefix', folder, ...packages], { stdio: 'pipe' })
    writeFileSync(path.join(folder, '.complete'), '')
  }
  for (const name of ['litestream-ts', 'better-sqlite3', 'bindings', 'file-uri-to-path']) {
    rmSync(path.join(folder, 'node_modules', name), { recursive: true, force: true })
  }
  installBeside(folder)
  cpSync(here, folder, { recursive: true })
  return folder
}

/** The line of a failed command's errors that says why. */
function reason(error) {
  const lines = String(error.stderr ?? error)
    .trim()
    .split('\n')
  return lines.find((line) => /error (?!code)/i.test(line)) ?? lines[0]
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/** What the program prints, or what the server answers. */
async function outputOf(built, work, env) {
  if (Array.isArray(built)) {
    const { status, stdout, stderr } = spawnSync(process.execPath, built, {
      cwd: work,
      env,
      encoding: 'utf8',
      timeout: 120_000,
    })
    return status === 0 ? stdout.trim() : `status ${status}: ${stdout}${stderr}`
  }
  const port = await freePort()
  const server = spawn(process.execPath, [built.server], {
    cwd: work,
    env: { ...env, NODE_ENV: 'production', PORT: String(port), HOSTNAME: '127.0.0.1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  for (const stream of [server.stdout, server.stderr]) stream.setEncoding('utf8').on('data', (text) => (log += text))
  const exited = once(server, 'exit')
  try {
    for (;;) {
      const answer = await fetch(`http://127.0.0.1:${port}${built.path}`).catch(() => undefined)
      if (answer?.ok) return (await answer.text()).trim()
      if (answer !== undefined || server.exitCode !== null) return `status ${answer?.status}: ${log}`
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  } finally {
    server.kill()
    await exited
  }
}

/** Returns whether it passed; a bundler that cannot be had counts as passed. */
async function run(name, url) {
  const { packages, build } = BUNDLERS[name]
  let folder
  try {
    folder = cached(packages)
  } catch (error) {
    console.log(`not run: ${name}: ${reason(error)}`)
    return true
  }
  const work = mkdtempSync(path.join(tmpdir(), 'litestream-bundlers-'))
  try {
    const env = { ...process.env, REPLICA_URL: url, NODE_OPTIONS: '' }
    const output = await build(folder, work).then(
      (built) => outputOf(built, work, env),
      (error) => `the build failed: ${error.stdout ?? ''}${error.stderr ?? ''}${error.stack}`,
    )
    const passed = output === String(ROWS)
    console.log(`${passed ? 'ok' : 'FAILED'}: ${name} (${packages.join(', ')})`)
    if (!passed) console.log(output)
    return passed
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** A replica with ROWS rows, made by the installed package. */
function makeReplica() {
  const file = path.join(app, 'replicate.mjs')
  writeFileSync(
    file,
    `import Database from 'better-sqlite3'
     import { replicate } from 'litestream-ts'
     const db = new Database('app.db')
     db.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (v); INSERT INTO t VALUES (1), (2), (3)")
     const replication = await replicate('app.db', process.argv[2])
     await replication.sync({ wait: true })
     await replication.close()
     db.close()`,
  )
  const url = pathToFileURL(path.join(app, 'replica')).href
  execFileSync(process.execPath, [file, url], { cwd: app, stdio: 'pipe' })
  return url
}

const { positionals: names } = commandLine(import.meta.filename, { names: Object.keys(BUNDLERS) })
execFileSync(path.join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.test.json'], { cwd: root, stdio: 'inherit' })
const { installPacked } = await import(path.join(root, '.out/test/support/packed.js'))
const ends = []
const app = installPacked({ after: (end) => ends.push(end) })
let passed = true
try {
  const url = makeReplica()
  for (const name of names.length === 0 ? Object.keys(BUNDLERS) : names) passed = (await run(name, url)) && passed
} finally {
  for (const end of ends) await end()
}
process.exit(passed ? 0 : 1)
