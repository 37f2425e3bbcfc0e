import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
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
 * Names in the code of packages that opening a replica has no use for: NATS, commander, prom-client
 * and yaml.
 */
const NEVER = /JetStreamApiError|CommanderError|collectDefaultMetrics|YAMLParseError/
const AWS = /\/aws[.-]|@aws-sdk|@smithy/
/** The driver and what it consists of. */
const DRIVER = /\/node_modules\/(better-sqlite3|bindings|file-uri-to-path)\//

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
  const loaded = loadedFiles(coverage)
  for (const file of [...loaded.main, ...loaded.worker]) {
    const [found] = NEVER.exec(readFileSync(file, 'utf8')) ?? []
    assert.equal(found, undefined, `${file} contains ${found}`)
  }
  const own = loaded.main.filter((file) => file !== script && !DRIVER.test(file))
  assert.ok(own.length <= 2, `the main thread loaded ${own.join(', ')}`)
  assert.deepEqual(
    own.filter((file) => AWS.test(file)),
    [],
  )
  return loaded
}

test('the package as it is published opens a file:// replica with a handful of files, none of them of a store', async (t) => {
  const { worker } = await firstOpen(t, pathToFileURL(path.join(temporaryDirectory(t), 'replica')).href)
  assert.ok(worker.length <= 8, `the worker loaded ${worker.join(', ')}`)
  assert.deepEqual(
    worker.filter((file) => AWS.test(file)),
    [],
  )
})

test('the package as it is published opens an S3 replica: the AWS SDK is in the package, and in the worker only', async (t) => {
  const { worker } = await firstOpen(t, s3Url(await s3Bucket(t)))
  assert.ok(worker.length <= 10, `the worker loaded ${worker.join(', ')}`)
  assert.ok(worker.some((file) => AWS.test(file)))
})
