import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { packageRoot } from '../../src/package-files.js'
import { type LoadedFiles, loadedFiles } from '../support/loaded-files.js'
import { installPacked } from '../support/packed.js'
import { makeSource } from '../support/replica.js'
import { s3Bucket, s3Url } from '../support/s3.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const SCRIPT = `
  import Database from 'better-sqlite3'
  import { openReplica } from 'litestream-ts'
  const replica = await openReplica(process.env.URL)
  const db = new Database(replica.uri, { readonly: true })
  console.log(db.prepare('SELECT v FROM t').pluck().all().join())
  db.close()
  await replica.close()`

const app = installPacked({ after: after as TestContext['after'] })

/**
 * Names in code that opening a replica has no use for: of NATS, commander, prom-client and yaml; of
 * a primary, and of writing to a replica or a folder.
 */
const NEVER =
  /JetStreamApiError|CommanderError|collectDefaultMetrics|YAMLParseError|refuseOverlap|putCommit|decodeLtx|linkDurably/
const AWS = /\/aws[.-]|@aws-sdk|@smithy/
/** The driver and what it consists of. */
const DRIVER = /\/node_modules\/(better-sqlite3|bindings|file-uri-to-path)\//

/** The code of the poll loop. On a slow machine, the worker loads it before the program ends. */
const POLLING = /\/worker-updates-/

const bytesOf = (files: readonly string[]) => files.reduce((sum, file) => sum + statSync(file).size, 0)

async function firstOpen(t: TestContext, url: string): Promise<LoadedFiles> {
  const script = path.join(app, 'app.mjs')
  const coverage = path.join(temporaryDirectory(t), 'coverage')
  writeFileSync(script, SCRIPT)
  const { history } = await makeSource(t, { url })
  await history.commit(`CREATE TABLE t (v TEXT); INSERT INTO t VALUES ('a'), ('b')`)
  const env = { ...process.env, URL: url, NODE_V8_COVERAGE: coverage }
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [script], { cwd: app, env })
  assert.equal(stdout, 'a,b\n')
  assert.equal(stderr, '')
  const { main, worker } = loadedFiles(coverage)
  const loaded = { main, worker: worker.filter((file) => !POLLING.test(file)) }
  for (const file of [...loaded.main, ...loaded.worker]) {
    const [found] = NEVER.exec(readFileSync(file, 'utf8')) ?? []
    assert.equal(found, undefined, `${file} contains ${found}`)
  }
  const own = loaded.main.filter((file) => file !== script && !DRIVER.test(file))
  assert.ok(own.length <= 2, `the main thread loaded ${own.join(', ')}`)
  assert.ok(bytesOf(own) <= 86_000, `the main thread loaded ${bytesOf(own)} bytes`)
  assert.deepEqual(
    own.filter((file) => AWS.test(file)),
    [],
  )
  return loaded
}

test('to open a file:// replica, the published package loads only a few of its files, and no file for another store', async (t) => {
  const { worker } = await firstOpen(t, pathToFileURL(path.join(temporaryDirectory(t), 'replica')).href)
  assert.ok(worker.length <= 2, `the worker loaded ${worker.join(', ')}`)
  assert.ok(bytesOf(worker) <= 220_000, `the worker loaded ${bytesOf(worker)} bytes`)
  assert.deepEqual(
    worker.filter((file) => AWS.test(file)),
    [],
  )
})

test('the published package opens an S3 replica with the bundled AWS SDK, and only the worker thread loads this SDK', async (t) => {
  const { worker } = await firstOpen(t, s3Url(await s3Bucket(t)))
  assert.ok(worker.length <= 4, `the worker loaded ${worker.join(', ')}`)
  assert.ok(bytesOf(worker) <= 670_000, `the worker loaded ${bytesOf(worker)} bytes`)
  assert.ok(worker.some((file) => AWS.test(file)))
})

test('a stack trace of the package has function names, and with source maps also the lines of the source files', async () => {
  const script = path.join(app, 'fails.mjs')
  writeFileSync(
    script,
    `import { openReplica } from 'litestream-ts'
     await openReplica('file:///replica', { cacheSize: {} }).catch((error) => console.log(error.stack))`,
  )
  const stackOf = async (...flags: string[]) =>
    (await promisify(execFile)(process.execPath, [...flags, script], { cwd: app })).stdout
  assert.match(await stackOf(), /at openReplica \(file:.*\/dist\/chunk-\w+\.js:\d+:\d+\)/)
  const [, line] = /at openReplica \(.*\/src\/replica\/handle\/open-replica\.ts:(\d+):\d+\)/.exec(
    await stackOf('--enable-source-maps'),
  )!
  const source = readFileSync(path.join(packageRoot(), 'src/replica/handle/open-replica.ts'), 'utf8').split('\n')
  assert.match(source[Number(line) - 1]!, /checkOptions\(/)
})
