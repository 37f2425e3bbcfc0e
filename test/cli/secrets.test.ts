import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { request } from 'node:http'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { runAll } from '../../src/util/run-all.js'
import { cleanUp } from '../support/clean-up.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'
import { run, start } from './run.js'

/** Part of every secret planted here, and of no other text. */
const HUSH = 'huSh9'

function assertNoSecret(shown: string, what: string): void {
  assert.ok(!shown.includes(HUSH), `${what} shows a secret:\n${shown}`)
}

function database(dir: string, name: string): string {
  const file = path.join(dir, name)
  const db = new Database(file)
  db.pragma('journal_mode = wal')
  db.exec("CREATE TABLE t (v); INSERT INTO t VALUES ('x')")
  db.close()
  return file
}

/** URLs that no command can open, and that fail without a request. */
const URLS = [
  `s3://AKIA:ab/${HUSH}@bucket/p`,
  `nats://bob:${HUSH}@host:99999/bucket`,
  `nats://${HUSH}@host/no.bucket`,
  `s3://bucket/p?endpoint=http://u:${HUSH}@127.0.0.1:1&part-size=1`,
  `s3://bucket/p?regio=x&secretKey=${HUSH}`,
  `webdav://u:${HUSH}@host/p`,
  `s3:/AKIA:${HUSH}@bucket/p`,
]

/** Every command with a URL in every position that accepts an argument, including wrong ones. */
function commandLines(dir: string, db: string, url: string): string[][] {
  const out = path.join(dir, 'out.db')
  return [
    ['replicate', '-once', '-log-level', 'trace', db, url],
    ['replicate', url],
    ['replicate', url, db],
    ['replicate', '-exec', url, db, `file://${dir}/r`],
    ['replicate', '-config', url],
    ['replicate', '-log-level', url, db, `file://${dir}/r`],
    ['restore', '-o', out, url],
    ['restore', '-json', '-dry-run', '-o', out, url],
    ['restore', '-f', '-o', out, url],
    ['restore', '-o', url, `file://${dir}/none`],
    ['restore', '-txid', url, '-o', out, `file://${dir}/none`],
    ['restore', '-timestamp', url, '-o', out, `file://${dir}/none`],
    ['restore', '-integrity-check', url, '-o', out, `file://${dir}/none`],
    ['hydrate', '-o', out, url],
    ['query', url, 'SELECT 1'],
    ['query', `file://${dir}/none`, url],
    ['verify', url],
    ['ltx', url],
    ['ltx', '-level', url, `file://${dir}/none`],
    ['ltx', 'info', url],
    ['ltx', 'verify', url],
    ['ltx', 'dump', url],
    ['status', url],
    ['status', '-config', url],
    ['databases', '-config', url],
    ['config', 'check', '-config', url],
    ['reset', url],
    ['register', '-socket', path.join(dir, 'no.sock'), '-replica', url, db],
    ['register', '-socket', path.join(dir, 'no.sock'), '-replica', `file://${dir}/r`, url],
    ['start', '-socket', url, db],
    ['stop', '-socket', path.join(dir, 'no.sock'), url],
    ['sync', '-timeout', url, db],
    ['unregister', url],
    ['info', url],
    ['wal', url],
    [url],
    ['-config', url, 'replicate'],
    ['replicate', `-unknown=${url}`, db],
    ['restore', `--output=${url}`],
  ]
}

test('no command shows the secret in a URL, in whichever argument the URL is passed', async (t) => {
  const dir = temporaryDirectory(t)
  const db = database(dir, 'app.db')
  const lines = commandLines(dir, db, URLS[0]!).map((_, i) => commandLines(dir, db, URLS[i % URLS.length]!)[i]!)
  const tasks = [...lines, ...URLS.map((url) => ['ltx', url])].map((args) => async () => {
    const { status, stdout, stderr } = await run(args, { env: { LOG_LEVEL: 'debug' } })
    assert.notEqual(status, 0, args.join(' '))
    assertNoSecret(stdout + stderr, args.slice(0, 2).join(' '))
  })
  await runAll(3, tasks)
})

/** A configuration with a secret in every position that has one. */
function everySecret(dir: string): string {
  for (const name of ['a.db', 'b.db', 'c.db', 'd.db', 'e.db']) database(dir, name)
  const entry = (name: string, replica: string) => `  - path: ${dir}/${name}\n    replica: ${replica}\n`
  return `addr: 127.0.0.1:0
socket: { enabled: true, path: ${dir}/s.sock }
exec: node -e "const p = process.ppid; setInterval(() => process.ppid === p || process.exit(), 100)" -- --password ${HUSH} ${HUSH}
heartbeat-url: http://u:${HUSH}@127.0.0.1:1/${HUSH}?token=${HUSH}
shutdown-sync-timeout: 0s
account-key: ${HUSH}-account
sas-token: ${HUSH}-sas
webdav-password: ${HUSH}-webdav
webdav-url: http://u:${HUSH}@127.0.0.1:1/
dbs:
${entry('a.db', `{ url: "nats://bob:${HUSH}-a@127.0.0.1:1/bucket/x" }`)}${entry('b.db', `{ url: "nats://127.0.0.1:1/bucket/y", token: ${HUSH}-token }`)}${entry('c.db', `{ url: "s3://AKIAX:${HUSH}-c@bucket/c?endpoint=http://u:${HUSH}-u@127.0.0.1:1&region=us-east-1" }`)}${entry(
  'd.db',
  `{ url: "s3://bucket/d", endpoint: "http://u:${HUSH}-v@127.0.0.1:1", region: us-east-1, access-key-id: AKIAY, secret-access-key: ${HUSH}-secret, sse-customer-key: ${Buffer.from(`${HUSH}${'x'.repeat(27)}`).toString('base64')} }`,
)}${entry('e.db', `{ url: "nats://127.0.0.1:1/bucket/z", username: bob, password: "${HUSH} pass\\"word" }`)}`
}

/** The answer of a Unix socket or a TCP port, whole. */
async function ask(options: object, body?: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ ...options, headers: { Host: 'localhost' } }, (response) => {
      text(response).then((answer) => resolve(JSON.stringify(response.headers) + answer), reject)
    })
    outgoing.on('error', reject)
    outgoing.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

async function askEverything(dir: string, http: string): Promise<void> {
  const { port } = new URL(http)
  for (const url of ['/', '/status.json', '/metrics', '/healthz', '/healthz?max-lag=x', `/none?token=${HUSH}`]) {
    const answer = await ask({ host: '127.0.0.1', port, path: url })
    assertNoSecret(answer, url)
  }
  const socketPath = path.join(dir, 's.sock')
  const post = (route: string, body: object) => ask({ socketPath, path: route, method: 'POST' }, body)
  const answers = [
    await post('/register', { path: `${dir}/a.db`, replica_url: 'file:///x' }),
    await post('/register', { path: `${dir}/f.db`, replica_url: `s3://AKIA:ab/${HUSH}@bucket/p` }),
    await post('/register', { path: `${dir}/g.db`, replica_url: `gs://u:${HUSH}@bucket/p` }),
    await post('/register', { path: `${dir}/h.db`, replica_url: `nats://u:${HUSH}@127.0.0.1:1/bucket/h` }),
    await post('/register', { path: `s3://u:${HUSH}@bucket`, replica_url: 5 }),
    await post('/sync', { path: `${dir}/a.db`, wait: true, timeout: 1 }),
    await post('/sync', { path: `s3://u:${HUSH}@bucket` }),
    await post('/start', { path: `${dir}/a.db` }),
    await post('/stop', { path: `${dir}/b.db`, timeout: 1 }),
    await post('/unregister', { path: `${dir}/e.db`, timeout: 1 }),
    await ask({ socketPath, path: '/list' }),
    await ask({ socketPath, path: '/info' }),
    await ask({ socketPath, path: '/debug/sync-status' }),
    await ask({ socketPath, path: `/txid?path=${dir}/a.db` }),
    await ask({ socketPath, path: '/none' }),
  ]
  for (const [i, answer] of answers.entries()) assertNoSecret(answer, `answer ${i} of the socket`)
}

for (const type of ['text', 'json', 'pretty']) {
  test(`the log (${type}), the responses and the pages of a daemon whose stores are unavailable contain no secret`, async (t) => {
    const dir = temporaryDirectory(t)
    const config = path.join(dir, 'litestream.yml')
    writeFileSync(config, `logging: { level: trace, type: ${type} }\n${everySecret(dir)}`)
    const daemon = start(['replicate', '-config', config])
    cleanUp(t, () => daemon.child.kill('SIGKILL'))
    const http = await until('it listens', () => /http:\/\/127\.0\.0\.1:\d+/.exec(daemon.stderr())?.[0])
    await until('it listens for control', () => daemon.stderr().includes('control socket listening'))
    const said = () => daemon.stderr().match(/127\.0\.0\.1:1|bucket/g)?.length ?? 0
    await until('the stores fail', () => said() >= 3, 120_000)
    await askEverything(dir, http)
    daemon.child.kill('SIGTERM')
    await until('it ends', () => daemon.child.exitCode !== null || daemon.child.signalCode !== null, 120_000)
    assertNoSecret(daemon.stdout() + daemon.stderr(), 'the log')
  })
}

test('no command that reads the configuration shows a secret of the configuration', async (t) => {
  const dir = temporaryDirectory(t)
  const config = path.join(dir, 'litestream.yml')
  writeFileSync(config, everySecret(dir))
  for (const args of [
    ['config', 'check'],
    ['config', 'check', '-json'],
    ['databases'],
    ['databases', '-json'],
    ['status', '-local'],
    ['reset', '-dry-run', `${dir}/a.db`],
    ['restore', `${dir}/none.db`],
  ]) {
    const { stdout, stderr } = await run([...args, '-config', config], { env: { LOG_LEVEL: 'debug' } })
    assert.ok(stdout + stderr !== '', args.join(' '))
    assertNoSecret(stdout + stderr, args.join(' '))
  }
  const shown = await run(['config', 'check', '-config', config])
  assert.equal(shown.status, 0, shown.stderr)
  for (const line of ['exec: node ***', 'heartbeat-url: http://***@127.0.0.1:1/***', 'secret-access-key: "***"']) {
    assert.ok(shown.stdout.includes(line), shown.stdout)
  }
})
