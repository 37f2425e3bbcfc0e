// Runs the package with its prebuilt addons on each platform that this machine can run: Linux x64
// and arm64 with glibc and musl, and Windows. Each run replicates a database, reads, writes,
// verifies and restores its replica, in a folder and in S3 (scripts/platforms/check.mjs). A
// platform that cannot be run is one line that begins with "not run". Needs Linux x64.
//
// usage: npm run platforms -- [NAME…]
import { execFileSync, spawnSync } from 'node:child_process'
import {
  closeSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { commandLine } from './command-line.mjs'
import { Runtimes } from './platforms/runtimes.mjs'
import { checkWindows } from './platforms/windows.mjs'
import { inspect } from './prebuild/inspect.mjs'
import { TARGETS } from './prebuild/targets.mjs'

const root = path.dirname(import.meta.dirname)
const runtimes = new Runtimes(path.join(root, '.cache/platforms'))

/** Bytes of the package when it is unpacked. */
const MAX_PACKAGE = 15 * 1024 * 1024

const SQLITE = 'node:sqlite'
/** `target`: the addon that must be loaded. `more`: further checks of this platform. */
const PLATFORMS = {
  'linux-x64-node20': { target: 'linux-x64', driver: 'better-sqlite3', runtime: () => runtimes.linuxX64(thisNode20()) },
  'linux-x64-node22': { target: 'linux-x64', driver: SQLITE, runtime: () => runtimes.linuxX64('22') },
  'linux-x64-node24': { target: 'linux-x64', driver: SQLITE, runtime: () => runtimes.linuxX64('24') },
  'linux-x64-node26': { target: 'linux-x64', driver: SQLITE, runtime: () => runtimes.linuxX64('26') },
  'linux-arm64': { target: 'linux-arm64', driver: SQLITE, runtime: () => runtimes.linuxArm64() },
  'linuxmusl-x64': { target: 'linuxmusl-x64', driver: SQLITE, runtime: () => runtimes.muslX64() },
  'linuxmusl-arm64': { target: 'linuxmusl-arm64', driver: SQLITE, runtime: () => runtimes.muslArm64() },
  'win32-x64': { target: 'win32-x64', driver: SQLITE, runtime: () => runtimes.winX64(), more: checkWindows },
}

/** better-sqlite3 of the checkout is compiled for the Node.js of the checkout. */
function thisNode20() {
  const [major] = process.versions.node.split('.')
  if (major !== '20') throw new Error(`better-sqlite3 of this checkout is compiled for Node.js ${major}`)
  return undefined
}

function unpackPackage(folder) {
  const packing = ['pack', '--json', '--foreground-scripts=false', '--pack-destination', folder]
  const packed = execFileSync('npm', packing, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  const [{ filename, unpackedSize, size }] = JSON.parse(packed.slice(packed.indexOf('[')))
  execFileSync('tar', ['-xzf', filename, '--no-same-owner'], { cwd: folder })
  const mb = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`
  console.log(`package: ${mb(size)}, unpacked ${mb(unpackedSize)}`)
  if (unpackedSize > MAX_PACKAGE) throw new Error(`the package has ${unpackedSize} bytes; ${MAX_PACKAGE} is the limit`)
  return path.join(folder, 'package')
}

function application(folder, packageFolder) {
  const modules = path.join(folder, 'node_modules')
  mkdirSync(modules)
  cpSync(packageFolder, path.join(modules, 'litestream-ts'), { recursive: true })
  for (const name of ['better-sqlite3', 'bindings', 'file-uri-to-path']) {
    symlinkSync(path.join(root, 'node_modules', name), path.join(modules, name))
  }
  copyFileSync(path.join(root, 'scripts/platforms/check.mjs'), path.join(folder, 'check.mjs'))
}

/** The bucket of each run, because a replica must be empty. */
async function makeBucket({ endpoint, accessKeyId, secretAccessKey }, name) {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true'
  const { CreateBucketCommand, S3Client } = await import('@aws-sdk/client-s3')
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  })
  await client.send(new CreateBucketCommand({ Bucket: name }))
  client.destroy()
  return `s3://${name}/app.db?endpoint=${endpoint}&forcePathStyle=true&region=us-east-1`
}

/** Why a command failed: what it says, without its name. */
function reason(error) {
  const lines = `${error.stderr ?? ''}`.trim() || error.message
  return lines.split('\n').find((line) => /error|^E:/i.test(line)) ?? lines.split('\n', 1)[0]
}

/** Returns whether it passed; a platform that cannot be run here counts as passed. */
async function run(name, packageFolder, s3) {
  const { target, driver, runtime, more } = PLATFORMS[name]
  if (!existsSync(path.join(packageFolder, 'prebuilds', `${target}.node`))) {
    console.log(`not run: ${name}: the package has no addon for ${target}`)
    return true
  }
  let found
  try {
    found = runtime()
  } catch (error) {
    console.log(`not run: ${name}: ${reason(error)}`)
    return true
  }
  const folder = mkdtempSync(path.join(tmpdir(), 'litestream-platforms-'))
  application(folder, packageFolder)
  const env = {
    ...process.env,
    ...found.env,
    AWS_ACCESS_KEY_ID: s3.accessKeyId,
    AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
  }
  const [command, ...first] = found.command
  const url = await makeBucket(s3, `${name}-${process.pid}`)
  const args = [...first, 'check.mjs', driver, url, 'result.json']
  // Node.js for Windows cannot write to a pipe under Wine.
  const log = openSync(path.join(folder, 'log'), 'w')
  const stdio = ['ignore', log, log]
  const { status, signal } = spawnSync(command, args, { cwd: folder, env, stdio, timeout: 600_000 })
  closeSync(log)
  const file = path.join(folder, 'result.json')
  const result = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { done: [] }
  if (status === 0 && more) {
    await more(found.command, { cwd: folder, env }).then(
      (done) => result.done.push(...done),
      (error) => {
        result.error = String(error.stack)
      },
    )
  }
  const passed = status === 0 && result.error === undefined && result.addon === `${target}.node`
  console.log(
    passed
      ? `ok: ${name}: Node.js ${result.version.slice(1)} with ${driver}: ${result.done.join(', ')}`
      : `FAILED: ${name}: ${signal ?? `status ${status}`}, addon ${result.addon}, done: ${result.done.join(', ') || 'nothing'}\n${result.error ?? ''}\n${readFileSync(path.join(folder, 'log'), 'utf8')}`,
  )
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  return passed
}

/** The addons that no run has loaded are inspected, as every other one is when it is compiled. */
function inspectOthers(packageFolder, names) {
  const ran = new Set(names.map((name) => PLATFORMS[name].target))
  for (const target of TARGETS.filter(({ name }) => !ran.has(name))) {
    const file = path.join(packageFolder, 'prebuilds', `${target.name}.node`)
    if (existsSync(file)) console.log(`inspected, not run: ${target.name}: ${inspect(file, target)}`)
    else console.log(`not run: ${target.name}: the package has no addon for it`)
  }
}

const { positionals: names } = commandLine(import.meta.filename, { names: Object.keys(PLATFORMS) })
const chosen = names.length === 0 ? Object.keys(PLATFORMS) : names
execFileSync(path.join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.test.json'], { cwd: root, stdio: 'inherit' })
const { startRgw } = await import(path.join(root, '.out/test/support/servers/rgw.js'))
const folder = mkdtempSync(path.join(tmpdir(), 'litestream-package-'))
let passed = true
try {
  const packageFolder = unpackPackage(folder)
  const rgw = await startRgw()
  try {
    for (const name of chosen) passed = (await run(name, packageFolder, rgw)) && passed
  } finally {
    await rgw.stop()
  }
  if (names.length === 0) inspectOthers(packageFolder, chosen)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exit(passed ? 0 : 1)
