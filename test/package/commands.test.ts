import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import Database from 'better-sqlite3'
import { packageRoot } from '../../src/package-files.js'
import { currentNode } from '../support/current-node.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'

const MAIN = path.join(packageRoot(), 'dist/cli/main.js')

interface Loaded {
  /** Files of the package. */
  readonly files: readonly string[]
  /** Bytes of them. */
  readonly bytes: number
  /** Modules of Node.js. */
  readonly builtins: ReadonlySet<string>
}

/**
 * Starts a command that tells, when it ends, which files and which modules of Node.js it has
 * loaded.
 */
function start(t: TestContext, args: readonly string[]): { child: ChildProcess; loaded: () => Promise<Loaded> } {
  const coverage = path.join(temporaryDirectory(t), 'coverage')
  const tell = 'data:text/javascript,process.on("exit",()=>console.log("\\n"+JSON.stringify(process.moduleLoadList)))'
  const child = spawn(process.execPath, ['--import', tell, MAIN, ...args], {
    env: { ...process.env, NODE_V8_COVERAGE: coverage },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const closed = once(child, 'close')
  const loaded = async (): Promise<Loaded> => {
    await closed
    assert.equal(child.exitCode, 0)
    const scripts = readdirSync(coverage).flatMap((name) => {
      const { result } = JSON.parse(readFileSync(path.join(coverage, name), 'utf8')) as { result: { url: string }[] }
      return result.map(({ url }) => url)
    })
    const files = scripts.filter((url) => url.startsWith('file:')).map((url) => fileURLToPath(url))
    const builtins = (JSON.parse(output.trim().split('\n').at(-1)!) as string[]).map((name) => name.split(' ').at(-1)!)
    return { files, bytes: files.reduce((sum, file) => sum + statSync(file).size, 0), builtins: new Set(builtins) }
  }
  return { child, loaded }
}

function assertNone({ builtins }: Loaded, names: readonly string[]): void {
  assert.deepEqual(
    names.filter((name) => builtins.has(name)),
    [],
  )
}

for (const args of [['version'], ['-h']]) {
  test(`\`${args.join(' ')}\` loads only the code of the command line and of its own command`, async (t) => {
    const loaded = await start(t, args).loaded()
    assert.ok(loaded.files.length <= 10, loaded.files.join(', '))
    assert.ok(loaded.bytes <= 175_000, `${loaded.bytes} bytes`)
    assertNone(loaded, ['child_process', 'worker_threads', 'http', 'https', 'crypto'])
  })
}

test('a primary that replicates to a folder loads no code for other stores, listeners, metrics, YAML or threads', async (t) => {
  const dir = temporaryDirectory(t)
  const db = path.join(dir, 'app.db')
  new Database(db).exec('CREATE TABLE t (id INTEGER PRIMARY KEY)').close()
  const { child, loaded } = start(t, ['replicate', db, pathToFileURL(path.join(dir, 'replica')).href])
  let log = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  await until('it replicates', () => log.includes('ltx file uploaded'))
  child.kill('SIGTERM')
  const all = await loaded()
  assert.ok(all.bytes <= 800_000, `${all.bytes} bytes`)
  assertNone(all, ['child_process', 'worker_threads', 'http', 'https', 'tls'])
  const code = all.files.map((file) => readFileSync(file, 'utf8')).join('\n')
  const [found] =
    /JetStreamApiError|S3ServiceException|collectDefaultMetrics|class SingleBar|YAMLParseError/.exec(code) ?? []
  assert.equal(found, undefined)
})

test('the restore of a small database loads no code for threads, and few files', async (t) => {
  const dir = temporaryDirectory(t)
  const db = path.join(dir, 'app.db')
  new Database(db).exec('CREATE TABLE t (id INTEGER PRIMARY KEY)').close()
  const url = pathToFileURL(path.join(dir, 'replica')).href
  execFileSync(process.execPath, [MAIN, 'replicate', '-once', db, url], { stdio: 'ignore' })
  const loaded = await start(t, ['restore', '-o', path.join(dir, 'restored.db'), url]).loaded()
  assertNone(loaded, ['child_process', 'worker_threads', 'http', 'https', 'tls'])
  const own = loaded.files.filter((file) => file.startsWith(path.dirname(path.dirname(MAIN))))
  assert.ok(own.length <= 16, own.join(', '))
  assert.ok(loaded.bytes <= 450_000, `${loaded.bytes} bytes`)
})

test('on Node.js 24, a command keeps its compiled code for the next command unless NODE_DISABLE_COMPILE_CACHE is set', (t) => {
  const { NODE_COMPILE_CACHE: _, ...inherited } = process.env
  const kept = (settings: NodeJS.ProcessEnv) => {
    const folder = temporaryDirectory(t)
    const env = { ...inherited, TMPDIR: folder, ...settings }
    assert.match(execFileSync(currentNode(), [MAIN, 'version'], { env, encoding: 'utf8' }), /\d+\.\d+\.\d+/)
    return readdirSync(folder, { recursive: true })
  }
  assert.ok(kept({}).length > 3)
  assert.deepEqual(kept({ NODE_DISABLE_COMPILE_CACHE: '1' }), [])
})
