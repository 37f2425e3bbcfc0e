import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { s3Bucket, s3Server } from '../../support/s3.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { run } from '../run.js'

test('every command reads an S3 replica with the credentials of the configuration file', async (t) => {
  const dir = temporaryDirectory(t)
  const { endpoint, accessKeyId, secretAccessKey } = s3Server()
  const bucket = await s3Bucket(t)
  const file = path.join(dir, 'app.db')
  const db = new Database(file)
  t.after(() => db.close())
  db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t (v) VALUES ('a'), ('b')")
  const config = path.join(dir, 'litestream.yml')
  writeFileSync(
    config,
    `access-key-id: $TEST_KEY
secret-access-key: $TEST_SECRET
dbs:
  - path: ${file}
    replica:
      type: s3
      bucket: ${bucket}
      path: some/app.db
      endpoint: ${endpoint}
      region: us-east-1
`,
  )
  const env = {
    LITESTREAM_CONFIG: config,
    TEST_KEY: accessKeyId,
    TEST_SECRET: secretAccessKey,
    AWS_ACCESS_KEY_ID: '',
    AWS_SECRET_ACCESS_KEY: '',
  }
  const ok = async (...args: string[]) => {
    const { status, stdout, stderr } = await run(args, { env })
    assert.equal(status, 0, `${args.join(' ')}: ${stderr}`)
    assert.ok(!`${stdout}${stderr}`.includes(secretAccessKey), 'no secret is printed')
    return stdout
  }
  await ok('replicate', '-once')
  assert.equal(JSON.parse(await ok('ltx', '-json', file)).length, 1)
  assert.match(await ok('query', file, 'SELECT count(*) FROM t'), /\n2\n$/)
  assert.match(await ok('verify', file), new RegExp(`^ok +s3://${bucket}/some/app\\.db`))
  assert.equal(JSON.parse(await ok('status', '-json'))[0].remote_txid, '0000000000000001')
  await ok('restore', '-o', path.join(dir, 'restored.db'), file)
  await ok('hydrate', '-o', path.join(dir, 'copy.db'), file)
  await ok('config', 'check')
})
