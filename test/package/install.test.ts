import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { currentNode } from '../support/current-node.js'
import { APPLICATION } from '../support/installed-app.js'
import { packTarball } from '../support/packed.js'
import { s3Bucket, s3Server, s3Url } from '../support/s3.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { fileOfTool, ifObtainable } from '../support/tool.js'

// Installs the packed tarball into an empty folder with each package manager, under a current
// Node.js and with nothing on PATH but that Node.js and a shell: no compiler, no python3, no make.

const MAX_PACKAGES = 40
const MAX_BYTES = 15 * 1024 * 1024

const tarball = packTarball({ after: after as TestContext['after'] })

interface Manager {
  readonly name: string
  /** The program that npm can fetch: package, version, file. */
  readonly tool?: readonly [string, string, string]
  /** Installs everything that package.json names. */
  readonly install: readonly string[]
  readonly files?: Readonly<Record<string, string>>
  /** Runs a program of the application; without it, node runs it. */
  readonly run?: readonly string[]
}

const YARN_4 = ['@yarnpkg/cli-dist', '4.18.1', 'bin/yarn.js'] as const
const yarnrc = (linker: string) => `nodeLinker: ${linker}\nenableTelemetry: false\nenableGlobalCache: false\n`
const MANAGERS: readonly Manager[] = [
  { name: 'npm', install: ['install', '--no-audit', '--no-fund'] },
  { name: 'pnpm 12', tool: ['pnpm', '12.21.0', 'bin/pnpm.mjs'], install: ['install', '--no-frozen-lockfile'] },
  { name: 'yarn 1', tool: ['yarn', '1.22.22', 'bin/yarn.js'], install: ['install', '--no-progress'] },
  {
    name: 'yarn 4 with node_modules',
    tool: YARN_4,
    install: ['install', '--no-immutable'],
    files: { '.yarnrc.yml': yarnrc('node-modules'), 'yarn.lock': '' },
  },
  {
    name: 'yarn 4 with PnP',
    tool: YARN_4,
    install: ['install', '--no-immutable'],
    files: { '.yarnrc.yml': yarnrc('pnp'), 'yarn.lock': '' },
    run: ['node'],
  },
  { name: 'bun', tool: ['@oven/bun-linux-x64', '1.4.5', 'bin/bun'], install: ['install'] },
]

/** A PATH with the current Node.js and a shell alone. */
function emptyPath(t: TestContext, node: string): string {
  const bin = temporaryDirectory(t)
  symlinkSync(node, path.join(bin, 'node'))
  for (const file of ['/bin/sh', '/usr/bin/env']) symlinkSync(file, path.join(bin, path.basename(file)))
  return bin
}

function program({ name, tool }: Manager, node: string): readonly string[] {
  if (name === 'npm') return [node, path.join(path.dirname(process.execPath), '../lib/node_modules/npm/bin/npm-cli.js')]
  const file = fileOfTool(...tool!)
  if (!name.startsWith('bun')) return [node, file]
  chmodSync(file, 0o755)
  return [file]
}

/**
 * Size in bytes and number of packages of what was installed. A file with several names counts
 * once.
 */
function measure(app: string): { readonly bytes: number; readonly packages: number } {
  const sizes = new Map<number, number>()
  const packages = new Set<string>()
  // Not the cache of Yarn, which is a copy of the tarball.
  const roots = ['node_modules', '.yarn/unplugged'].map((name) => path.join(app, name)).filter((dir) => existsSync(dir))
  for (const root of roots) {
    for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
      const stats = lstatSync(path.join(root, name))
      if (stats.isFile()) sizes.set(stats.ino, stats.size)
      const [, found] = /(?:^|node_modules\/)((?:@[^/]+\/)?[^/.][^/]*)\/package\.json$/.exec(name) ?? []
      if (found) packages.add(found)
    }
  }
  return { bytes: [...sizes.values()].reduce((sum, size) => sum + size, 0), packages: packages.size }
}

/** An empty application. */
function prepare(t: TestContext, manager: Manager): string {
  const app = path.join(temporaryDirectory(t), 'app')
  mkdirSync(app)
  writeFileSync(path.join(app, 'app.mjs'), APPLICATION)
  for (const [name, text] of Object.entries(manager.files ?? {})) writeFileSync(path.join(app, name), text)
  return app
}

function depend(app: string, dependencies: Record<string, string>): void {
  const json = { name: 'app', version: '1.0.0', private: true, license: 'MIT', dependencies }
  writeFileSync(path.join(app, 'package.json'), JSON.stringify(json))
}

for (const manager of MANAGERS) {
  test(`${manager.name} installs the package without a compiler, and both SQLite drivers open replicas on a folder and S3`, async (t) => {
    const node = ifObtainable(t, 'a current Node.js', currentNode)
    const command = node && ifObtainable(t, manager.name, () => program(manager, node).join('\0'))?.split('\0')
    if (!node || !command) return
    const { accessKeyId, secretAccessKey } = s3Server()
    const env = {
      ...process.env,
      PATH: emptyPath(t, node),
      NODE_OPTIONS: '',
      CI: '1',
      HOME: temporaryDirectory(t),
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
    }
    const run = (cwd: string, [file, ...first]: readonly string[], ...args: string[]) => {
      const { status, signal, stdout, stderr } = spawnSync(file!, [...first, ...args], { cwd, env, encoding: 'utf8' })
      assert.deepEqual({ status, signal }, { status: 0, signal: null }, `${file} ${args.join(' ')}: ${stdout}${stderr}`)
      return { stdout, stderr }
    }
    const app = prepare(t, manager)
    const started = performance.now()
    depend(app, { 'litestream-ts': `file:${tarball}` })
    const { stdout, stderr } = run(app, command, ...manager.install)
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    // Yarn says of every ES module under PnP that its support is experimental.
    const printed = `${stdout}${stderr}`.replace(/.*YN0092: .*\n|.*Done with warnings.*\n/g, '')
    assert.doesNotMatch(printed, /warn|deprecated|blocked|ignored build|must be built/i)
    const { bytes, packages } = measure(app)
    t.diagnostic(`${manager.name}: ${seconds} s, ${packages} packages, ${(bytes / 1e6).toFixed(1)} MB`)
    assert.ok(packages <= MAX_PACKAGES, `${packages} packages`)
    assert.ok(bytes <= MAX_BYTES, `${bytes} bytes`)
    depend(app, { 'litestream-ts': `file:${tarball}`, 'better-sqlite3': '13.2.0' })
    run(app, command, ...manager.install)
    const programOf = manager.run ? [...command, ...manager.run] : [node]
    for (const driver of ['better-sqlite3', 'node:sqlite']) {
      const folder = pathToFileURL(path.join(app, `replica-${driver.replace(':', '-')}`)).href
      for (const url of [folder, s3Url(await s3Bucket(t))]) {
        const { stdout, stderr } = run(app, programOf, 'app.mjs', driver, url)
        assert.equal(stdout, 'a,b\n', stderr)
        assert.doesNotMatch(stderr.replace(/.*ExperimentalWarning: SQLite is.*\n.*\n/, ''), /./, driver)
      }
    }
  })
}

test('publint and "are the types wrong" find no fault in the package', (t) => {
  const check = (file: string, ...args: string[]) =>
    spawnSync(process.execPath, [file, ...args], { encoding: 'utf8', env: { ...process.env, NO_COLOR: '1' } })
  const publint = ifObtainable(t, 'publint', () => fileOfTool('publint', '0.3.25', 'src/cli.js'))
  if (publint) {
    const { stdout, stderr } = check(publint, '--strict', tarball)
    // This tarball has the addon of this platform alone.
    const addon = /pkg\.exports\["\.\/\w+-\w+"\] is \.\/prebuilds\/\S+ but the file does not exist/
    const faults = stdout.split('\n').filter((line) => /^\d+\. /.test(line) && !addon.test(line))
    assert.match(stdout, /Linting/, stderr)
    assert.deepEqual(faults, [])
  }
  const attw = ifObtainable(t, 'attw', () => fileOfTool('@arethetypeswrong/cli', '0.18.5', 'dist/index.js'))
  if (attw) {
    // Addons, which are entries for bundlers, have no types. CommonJS may require the ES modules of
    // this package in every version of Node.js that it supports.
    const options = ['--entrypoints', '.', './metrics', '--ignore-rules', 'cjs-resolves-to-esm']
    const { status, stdout, stderr } = check(attw, tarball, ...options)
    assert.equal(status, 0, `${stdout}${stderr}`)
  }
})
