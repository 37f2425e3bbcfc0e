import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import Database from 'better-sqlite3'
import { natsUrl } from '../../support/nats.js'
import { s3Bucket, s3Sdk, s3Server, s3Url } from '../../support/s3.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { createDatabase } from '../daemon/daemon-of-two.js'
import { run } from '../run.js'

interface Row {
  readonly db_path: string | null
  readonly source: string
  readonly status: string
  readonly error?: { readonly code: string; readonly message: string; readonly hint: string }
}

async function restoreAll(args: readonly string[], status: number, env: NodeJS.ProcessEnv = {}): Promise<Row[]> {
  const result = await run(['restore', '-all', '-json', ...args], { env })
  assert.equal(result.status, status, `${result.stdout}${result.stderr}`)
  return JSON.parse(result.stdout)
}

function rows(file: string): number {
  const db = new Database(file, { readonly: true, fileMustExist: true })
  try {
    return db.prepare('SELECT count(*) FROM t').pluck().get() as number
  } finally {
    db.close()
  }
}

/** Two databases by path, and a directory with three, all replicated to `replicas` once. */
async function replicated(t: TestContext, replicas: string, settings = '') {
  const dir = temporaryDirectory(t)
  const [one, two] = [path.join(dir, 'one.db'), path.join(dir, 'two.db')]
  const many = path.join(dir, 'many')
  const inMany = ['a.db', 'b #1?.db', 'deep/c.db'].map((name) => path.join(many, name))
  for (const file of [one, two, ...inMany]) createDatabase(file, 'delete')
  const config = path.join(dir, 'litestream.yml')
  writeFileSync(
    config,
    `${settings}
dbs:
  - { path: ${one}, replica: { url: "${replicas}/one" } }
  - { path: ${two}, replica: { url: "${replicas}/two" } }
  - { dir: ${many}, pattern: "*.db", recursive: true, replica: { url: "${replicas}/many" } }
`,
  )
  const once = await run(['replicate', '-once', '-config', config])
  assert.equal(once.status, 0, once.stderr)
  return { dir, one, two, many, inMany, config }
}

function remove(...files: readonly string[]): void {
  for (const file of files)
    for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { recursive: true, force: true })
}

function statuses(found: readonly Row[]): Record<string, string> {
  return Object.fromEntries(found.map(({ db_path, status }) => [db_path ?? '', status]))
}

test('restore -all restores missing databases and lost directories, and leaves existing databases unchanged', async (t) => {
  const base = temporaryDirectory(t)
  const { one, two, many, inMany, config } = await replicated(t, `file://${base}/replicas`)
  const db = new Database(one)
  db.exec("INSERT INTO t VALUES ('not in the replica')")
  db.close()
  remove(two, many)
  const found = await restoreAll(['-config', config], 0)
  assert.deepEqual(statuses(found), {
    [one]: 'output-exists',
    [two]: 'restored',
    ...Object.fromEntries(inMany.map((file) => [file, 'restored'])),
  })
  assert.equal(rows(one), 2, 'an existing database is not replaced')
  for (const file of [two, ...inMany]) assert.equal(rows(file), 1)

  const planned = await restoreAll(['-config', config, '-dry-run', '-force'], 0)
  assert.deepEqual([...new Set(planned.map(({ status }) => status))], ['planned'])
  assert.equal(planned.length, 5)
  assert.equal(rows(one), 2)
  assert.equal((await restoreAll(['-config', config, '-force'], 0)).length, 5)
  assert.equal(rows(one), 1, 'with -force it is')
})

test('a database that cannot be restored does not prevent the restore of the other databases', async (t) => {
  const base = temporaryDirectory(t)
  const { one, two, many, config } = await replicated(t, `file://${base}/replicas`)
  remove(one, two, many)
  rmSync(path.join(base, 'replicas/one'), { recursive: true })
  const [level] = readdirSync(path.join(base, 'replicas/many/a.db/ltx'))
  const folder = path.join(base, 'replicas/many/a.db/ltx', level!)
  writeFileSync(path.join(folder, readdirSync(folder)[0]!), 'damaged')
  const result = await run(['restore', '-all', '-config', config])
  assert.equal(result.status, 1)
  assert.match(result.stdout, /^failed +\S+one\.db/m)
  assert.match(result.stdout, /^failed +\S+many\/a\.db/m)
  assert.match(result.stdout, /^restored +\S+two\.db/m)
  assert.match(result.stdout, /\n2 failed, 3 restored\n|\n3 restored, 2 failed\n/)
  assert.equal(result.stderr.match(/^Error: /gm)?.length, 2)
  assert.equal(result.stderr.match(/^Try: /gm)?.length, 2)
  assert.equal(rows(two), 1)
  assert.ok(!existsSync(one))

  const without = await restoreAll(['-config', config, '-if-replica-exists'], 1)
  assert.equal(statuses(without)[one], 'no-replica')
})

test('restore -all -o restores every replica below a prefix, and writes no file outside the output folder, whatever names the replicas have', async (t) => {
  const base = temporaryDirectory(t)
  const { dir } = await replicated(t, `file://${base}/replicas`)
  const replica = (name: string) =>
    cpSync(path.join(base, 'replicas/one'), path.join(base, 'replicas', name), { recursive: true })
  const out = path.join(dir, 'out')
  for (const name of ['two-wal', 'x-litestream/y.db', 'linked/z.db']) replica(name)
  symlinkSync(path.join(base, 'replicas/one'), path.join(base, 'replicas/link'))
  mkdirSync(path.join(dir, 'elsewhere'))
  mkdirSync(out)
  symlinkSync(path.join(dir, 'elsewhere'), path.join(out, 'linked'))
  const found = await restoreAll(['-o', out, `file://${base}/replicas`], 1)
  const restored = found
    .filter(({ status }) => status === 'restored')
    .map(({ db_path }) => path.relative(out, db_path!))
  assert.deepEqual(restored.sort(), ['many/a.db', 'many/b #1?.db', 'many/deep/c.db', 'one', 'two'])
  const failed = found.filter(({ status }) => status === 'failed')
  assert.equal(failed.length, 3)
  for (const { error } of failed) assert.equal(error?.code, 'INVALID_ARGUMENT')
  assert.deepEqual(readdirSync(path.join(dir, 'elsewhere')), [])

  const again = await restoreAll(['-o', out, `file://${base}/replicas`], 1)
  assert.equal(again.filter(({ status }) => status === 'output-exists').length, 5)
  // The prefix may be a replica itself.
  const single = await restoreAll(['-o', path.join(dir, 'single'), `file://${base}/replicas/one`], 0)
  assert.deepEqual(statuses(single), { [path.join(dir, 'single/one')]: 'restored' })

  // Two replicas for one file, or one below the file of another.
  for (const name of ['one/one', 'many/a.db/b.db'])
    cpSync(path.join(base, 'replicas/two'), path.join(base, 'replicas', name), { recursive: true })
  const clash = path.join(dir, 'clash')
  const below = statuses(await restoreAll(['-o', clash, `file://${base}/replicas`], 1))
  for (const name of ['one', 'many/a.db']) assert.equal(below[path.join(clash, name)], 'restored', name)
  for (const name of ['one/one', 'many/a.db/b.db']) assert.equal(below[path.join(clash, name)], 'failed', name)
  const same = await restoreAll(['-force', '-o', path.join(dir, 'same'), `file://${base}/replicas/one`], 1)
  assert.deepEqual(
    same.map(({ status, error }) => [status, /would both be restored/.test(error?.message ?? '')]),
    [
      ['failed', true],
      ['failed', true],
    ],
  )
  assert.equal(existsSync(path.join(dir, 'same')), false)
})

test('restore -all refuses flags and arguments that cannot be used with -all', async (t) => {
  const dir = temporaryDirectory(t)
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['-txid', '0000000000000001'], /-txid/],
    [['-f'], /-all with -f/],
    [['-o', dir], /-all with -o requires the URL/],
    [[`file://${dir}`], /output folder required/],
    [['-o', dir, path.join(dir, 'app.db')], /is not a URL/],
    [['-o', dir, `file://${dir}/nothing`], /no replica below/],
    [['-o', dir, 'sftp://user@127.0.0.1:1/x', '-parallelism', '0'], /parallelism/],
  ]
  for (const [args, message] of cases) {
    const { status, stderr } = await run(['restore', '-all', ...args])
    assert.notEqual(status, 0)
    assert.match(stderr, message)
    assert.match(stderr, /^Try: /m)
  }
  const none = await run(['restore'])
  assert.match(none.stderr, /missing required argument.*\nTry: .*-all/)
})

test('restore -all from S3 restores a lost directory and every replica below a prefix, and refuses a name that leads out of the output folder', async (t) => {
  const bucket = await s3Bucket(t)
  const { endpoint, accessKeyId, secretAccessKey } = s3Server()
  const settings = `access-key-id: ${accessKeyId}\nsecret-access-key: ${secretAccessKey}\nendpoint: ${endpoint}\nregion: us-east-1`
  const { dir, many, inMany, config } = await replicated(t, `s3://${bucket}/all`, settings)
  rmSync(many, { recursive: true })
  assert.equal((await restoreAll(['-config', config], 0)).filter(({ status }) => status === 'restored').length, 3)
  for (const file of inMany) assert.equal(rows(file), 1)

  const sdk = s3Sdk()
  t.after(() => sdk.destroy())
  const Key = 'all/../../escaped/0000/0000000000000001-0000000000000001.ltx'
  await sdk.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'x' }))
  const out = path.join(dir, 'out')
  const found = await restoreAll(['-o', out, s3Url(bucket, 'all')], 1)
  assert.equal(found.filter(({ status }) => status === 'restored').length, 5)
  const failed = found.filter(({ status }) => status === 'failed')
  assert.equal(failed.length, 1)
  assert.match(failed[0]!.error!.message, /leads out of the folder/)
  assert.ok(!JSON.stringify(found).includes(secretAccessKey))
  // The root of a bucket is a prefix, too.
  const root = await restoreAll(['-o', path.join(dir, 'root'), s3Url(bucket, '')], 1)
  assert.equal(root.filter(({ status }) => status === 'restored').length, 5)
})

test('a NATS bucket can contain one replica, or several replicas below prefixes', async (t) => {
  const url = natsUrl().replace(/\?.*/, '')
  const { dir, many, config } = await replicated(t, url, 'create-bucket: true')
  rmSync(many, { recursive: true })
  assert.equal((await restoreAll(['-config', config], 0)).filter(({ status }) => status === 'restored').length, 3)
  const one = await restoreAll(['-o', path.join(dir, 'out'), `${url}/one`], 0)
  assert.deepEqual(statuses(one), { [path.join(dir, 'out/one')]: 'restored' })
  renameSync(path.join(dir, 'out/one'), path.join(dir, 'moved'))
  assert.equal((await restoreAll(['-o', path.join(dir, 'out'), url], 0)).length, 5)
})
