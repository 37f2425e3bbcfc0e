import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { inspect } from 'node:util'
import Database from 'better-sqlite3'
import { openReplicaClient } from '../../../src/storage/open.js'
import { run, start } from '../../cli/run.js'
import { cleanUp } from '../../support/clean-up.js'
import { s3Bucket, s3Server, s3Url } from '../../support/s3.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'

const WRONG = 'wrong/secret+value'
const SSE_KEY = randomBytes(32).toString('base64')

/** Every spelling in which a secret could appear. */
const spellings = (secret: string) => [
  secret,
  encodeURIComponent(secret),
  Buffer.from(secret).toString('base64'),
  secret.replace(/\//g, '\\/'),
]

function assertNoSecret(text: string, what: string): void {
  for (const secret of [s3Server().secretAccessKey, WRONG, SSE_KEY]) {
    for (const spelling of spellings(secret)) assert.ok(!text.includes(spelling), `${what} shows ${spelling}:\n${text}`)
  }
}

function database(t: TestContext): string {
  const file = path.join(temporaryDirectory(t), 'app.db')
  const db = new Database(file)
  db.pragma('journal_mode = wal')
  db.exec("CREATE TABLE t (v); INSERT INTO t VALUES ('x')")
  db.close()
  return file
}

test('at log level trace, the output of any command contains no secret, whether the command succeeds or fails', async (t) => {
  const bucket = await s3Bucket(t)
  const file = database(t)
  const url = s3Url(bucket)
  const { accessKeyId, secretAccessKey, endpoint } = s3Server()
  const wrong = url.replace(encodeURIComponent(secretAccessKey), encodeURIComponent(WRONG))
  const encrypted = `${s3Url(bucket, 'encrypted.db')}&sse-customer-key=${encodeURIComponent(SSE_KEY)}`
  const output = path.join(path.dirname(file), 'restored.db')
  const commands: [string[], number][] = [
    [['replicate', '-once', '-log-level', 'trace', file, url], 0],
    [['replicate', '-once', '-log-level', 'trace', file, encrypted], 0],
    [['restore', '-o', output, url], 0],
    [['restore', '-json', '-o', `${output}2`, encrypted], 0],
    [['ltx', url], 0],
    [['ltx', encrypted], 0],
    [['replicate', '-once', '-log-level', 'trace', file, wrong], 1],
    [['replicate', '-once', '-log-level', 'trace', file, s3Url(`${bucket}-not`)], 1],
    [['ltx', wrong], 1],
    [['ltx', `${encrypted}&colour=red`], 1],
    [['restore', '-o', `${output}3`, wrong], 1],
  ]
  for (const [args, status] of commands) {
    const result = await run(args)
    assert.equal(result.status, status, `${args[0]}: ${result.stderr}`)
    assertNoSecret(result.stdout + result.stderr, args[0]!)
  }
  const config = path.join(path.dirname(file), 'litestream.yml')
  for (const secret of [secretAccessKey, WRONG]) {
    writeFileSync(
      config,
      `dbs: [{ path: ${file}, monitor-interval: 20ms, replica: { url: "s3://${bucket}/daemon.db", endpoint: "${endpoint}",
        access-key-id: ${accessKeyId}, secret-access-key: "${secret}", sse-customer-key: "${SSE_KEY}", sync-interval: 20ms } }]\n`,
    )
    const daemon = start(['replicate', '-config', config, '-log-level', 'trace'])
    cleanUp(t, () => daemon.child.kill('SIGKILL'))
    const said = secret === WRONG ? /SignatureDoesNotMatch/ : /ltx file uploaded/
    await until('it has said so', () => said.test(daemon.stdout() + daemon.stderr()), 60_000)
    daemon.child.kill('SIGTERM')
    await until(
      'it ends',
      () => daemon.child.signalCode !== null || daemon.child.exitCode !== null || !daemon.child.kill('SIGTERM'),
      60_000,
    )
    await daemon.finished
    assertNoSecret(daemon.stdout() + daemon.stderr(), 'the daemon')
  }
})

test('the printed client, its counters and its errors contain no secret', async (t) => {
  const bucket = await s3Bucket(t)
  const shown = (value: unknown) => `${inspect(value, { depth: 20, showHidden: true })}${JSON.stringify(value)}`
  for (const s3 of [
    {},
    { secretAccessKey: WRONG },
    { sseCustomerKey: SSE_KEY },
    { accessKeyId: 'nobody', secretAccessKey: WRONG },
  ]) {
    const client = await openReplicaClient(s3Url(bucket), { s3 })
    const errors: unknown[] = []
    const file = { level: 0, minTxid: 1, maxTxid: 1 }
    for (const attempt of [
      () => client.read(file, { offset: 0 }),
      () => client.write(file, Buffer.from('x'), { timestamp: 1 }),
      () => client.stat({ ...file, level: 2 }),
      () => client.putObject('lock.json', Buffer.from('x'), '"no such tag"'),
    ]) {
      await attempt().catch((error: unknown) => errors.push(error))
    }
    assert.ok(errors.length > 0)
    assertNoSecret(shown(errors), 'an error')
    assertNoSecret(shown(client.stats()) + shown(client) + client.url, 'the client')
    await client.close()
  }
})
