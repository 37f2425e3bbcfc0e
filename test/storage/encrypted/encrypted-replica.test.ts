import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { compact } from '../../../src/compaction/compact.js'
import { isLitestreamError } from '../../../src/errors.js'
import { listLevels } from '../../../src/levels/plan.js'
import { verifyReplica } from '../../../src/levels/verify-replica.js'
import { formatFileName } from '../../../src/ltx/file-name.js'
import { mirror } from '../../../src/mirror/mirror.js'
import { openReplica } from '../../../src/replica/handle/open-replica.js'
import { restore } from '../../../src/restore/restore.js'
import type { EncryptionSettings } from '../../../src/storage/encrypted/settings.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import type { LtxFileInfo, ReplicaClient } from '../../../src/storage/replica-client.js'
import { run } from '../../cli/run.js'
import { ageDecrypt, ageKey } from '../../support/age.js'
import { cleanUp } from '../../support/clean-up.js'
import { collect } from '../../support/collect.js'
import { History, hashFile } from '../../support/history.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

interface Encrypted {
  readonly folder: string
  readonly url: string
  readonly client: ReplicaClient
  readonly history: History
}

async function open(t: TestContext, url: string, encryption: EncryptionSettings | false): Promise<ReplicaClient> {
  const client = await openReplicaClient(url, { encryption })
  cleanUp(t, () => client.close())
  return client
}

/** A replica with a snapshot of more than one chunk and two more states. */
async function makeEncrypted(t: TestContext, encryption: EncryptionSettings): Promise<Encrypted> {
  const directory = temporaryDirectory(t)
  const folder = path.join(directory, 'replica')
  const url = `file://${folder}`
  const client = await open(t, url, encryption)
  const history = new History(path.join(directory, 'app.db'), client)
  cleanUp(t, async () => history.close())
  await history.commit('CREATE TABLE t (id INTEGER PRIMARY KEY, x)')
  await history.commit(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
     INSERT INTO t SELECT i, randomblob(1000) FROM n`,
  )
  await history.snapshot()
  await history.commit('UPDATE t SET x = 1 WHERE id = 200')
  return { folder, url, client, history }
}

const fileOf = (folder: string, { level, minTxid, maxTxid }: LtxFileInfo) =>
  path.join(folder, 'ltx', String(level), formatFileName(minTxid, maxTxid))

const failsToDecrypt = (error: unknown) => isLitestreamError(error, 'DECRYPTION_FAILED')

test('an encrypted replica can be restored, verified and read page by page, and the `age` program can decrypt every file', async (t) => {
  const key = ageKey(t)
  const { folder, url, client, history } = await makeEncrypted(t, { identities: key.file })
  const { faults, restorable } = await verifyReplica(client)
  assert.deepEqual([faults, restorable?.txid], [[], 3])
  const output = path.join(temporaryDirectory(t), 'restored.db')
  await restore(client, { output, txid: 2 })
  assert.equal(hashFile(output), history.hashes.get(2))
  for (const info of (await listLevels(client)).flat()) {
    const file = fileOf(folder, info)
    const plain = ageDecrypt(key, file)
    assert.equal(plain.length, info.size)
    assert.equal(plain.subarray(0, 4).toString(), 'LTX1')
    assert.ok(!readFileSync(file).includes('LTX1') && !readFileSync(file).includes('SQLite format 3'))
  }
  const replica = await openReplica(url, { encryption: { identities: key.identity }, readAhead: 'none' })
  cleanUp(t, () => replica.close())
  const db = new Database(replica.uri, { readonly: true })
  cleanUp(t, () => db.close())
  assert.equal(db.prepare('SELECT x FROM t WHERE id = 200').pluck().get(), 1)
  assert.equal(db.prepare('SELECT count(*) FROM t').pluck().get(), 400)
  assert.ok(!replica.uri.includes('AGE-SECRET'))
})

test('a ranged read detects a damaged byte inside an encrypted page', async (t) => {
  const key = ageKey(t)
  const { folder, client } = await makeEncrypted(t, { identities: key.identity })
  const [snapshot] = (await listLevels(client))[9]!
  const file = fileOf(folder, snapshot!)
  const bytes = readFileSync(file)
  bytes[bytes.length >>> 1]! ^= 1
  writeFileSync(file, bytes)
  const { size } = snapshot!
  const at = Math.floor(size / 2)
  const [changed] = (await listLevels(client))[9]!
  const damaged = (error: unknown) =>
    isLitestreamError(error, 'LTX_CORRUPT') && /encrypted chunk \d+ is damaged/.test(error.message)
  await assert.rejects(client.read(changed!, { offset: at, length: 1 }), damaged)
  // Other chunks can still be read.
  assert.equal((await client.read(changed!, { offset: 0, length: 4 })).data[0], 'L'.charCodeAt(0))
  // A file that was cut at a chunk is damaged, too: its last chunk does not say that it is the last
  // one.
  writeFileSync(file, readFileSync(file).subarray(0, 1040 + 65552))
  const [cut] = (await listLevels(client))[9]!
  await assert.rejects(client.read(cut!, { suffix: 10 }), damaged)
})

test('a restore and a compaction avoid a damaged encrypted file, as they avoid a damaged unencrypted file', async (t) => {
  const key = ageKey(t)
  const { folder, client, history } = await makeEncrypted(t, { identities: key.file })
  const damage = (file: LtxFileInfo) => {
    const bytes = readFileSync(fileOf(folder, file))
    bytes[bytes.length - 20]! ^= 1
    writeFileSync(fileOf(folder, file), bytes)
  }
  const levels = await listLevels(client)
  damage(levels[9]![0]!)
  const output = path.join(temporaryDirectory(t), 'restored.db')
  await restore(client, { output })
  assert.equal(hashFile(output), history.hashes.get(3))
  await history.snapshot()
  damage(levels[0]![2]!)
  const skipped: string[] = []
  await compact(client, { level: 1, onDamaged: (error) => skipped.push(error.code) })
  assert.deepEqual(skipped, ['LTX_CORRUPT'])
})

test('the errors for a wrong identity, a missing identity and an unencrypted file name the encryption setting', async (t) => {
  const [key, other] = [ageKey(t), ageKey(t)]
  const { url, client } = await makeEncrypted(t, { identities: key.identity })
  const info = (await listLevels(client))[0]![0]!
  const wrong = await open(t, url, { identities: other.identity })
  await assert.rejects(wrong.read(info, { offset: 0, length: 4 }), failsToDecrypt)
  const none = await open(t, url, { recipients: key.recipient })
  await assert.rejects(none.read(info, { offset: 0, length: 4 }), failsToDecrypt)
  const output = path.join(temporaryDirectory(t), 'restored.db')
  const without = await run(['restore', '-o', output, url])
  assert.equal(without.status, 1)
  assert.match(without.stderr, /encrypted with age\nTry: .*LITESTREAM_AGE_IDENTITIES/)
  const plainUrl = `file://${path.join(temporaryDirectory(t), 'plain')}`
  const plain = await open(t, plainUrl, false)
  await mirror(client, plain)
  const asEncrypted = await open(t, plainUrl, { identities: key.identity })
  const isPlain = (error: unknown) => failsToDecrypt(error) && /is not encrypted/.test((error as Error).message)
  for (const file of (await listLevels(asEncrypted)).flat()) {
    await assert.rejects(asEncrypted.read(file, { offset: 0, length: 4 }), isPlain)
    await assert.rejects(asEncrypted.read(file, { suffix: 16 }), isPlain)
    await assert.rejects(collect(asEncrypted.stream(file)), isPlain)
  }
  await assert.rejects(verifyReplica(asEncrypted), isPlain)
})

test('after a change of keys, new files use the new key, old files need the old identity, and a file can have several recipients', async (t) => {
  const [old, next] = [ageKey(t), ageKey(t)]
  const { url, history, client } = await makeEncrypted(t, { identities: old.identity })
  const rotated = await open(t, url, {
    recipients: [next.recipient, old.recipient],
    identities: [next.identity, old.identity],
  })
  const body = Buffer.concat(await collect(rotated.stream((await listLevels(client))[0]![2]!)))
  await rotated.write({ level: 1, minTxid: 3, maxTxid: 3 }, body, { timestamp: history.time })
  const onlyNew = await open(t, url, { identities: next.file })
  const levels = await listLevels(onlyNew)
  assert.equal((await onlyNew.read(levels[1]![0]!, { offset: 0, length: 4 })).data.length, 4)
  await assert.rejects(onlyNew.read(levels[0]![0]!, { offset: 0, length: 4 }), failsToDecrypt)
  assert.equal((await client.read(levels[1]![0]!, { offset: 0, length: 4 })).data.length, 4)
})

test('an identity file with a passphrase is opened with this passphrase, and the error for a misspelled key does not show the key', async (t) => {
  const key = ageKey(t)
  const { Encrypter } = await import('age-encryption')
  const encrypter = new Encrypter()
  encrypter.setPassphrase('correct horse')
  encrypter.setScryptWorkFactor(10)
  const file = path.join(temporaryDirectory(t), 'key.age')
  writeFileSync(file, await encrypter.encrypt(readFileSync(key.file)))
  const { url, client } = await makeEncrypted(t, { identities: file, passphrase: 'correct horse' })
  assert.equal((await listLevels(client))[0]!.length, 3)
  await assert.rejects(
    openReplicaClient(url, { encryption: { identities: file, passphrase: 'wrong' } }),
    failsToDecrypt,
  )
  await assert.rejects(openReplicaClient(url, { encryption: { identities: file } }), /encrypted with a passphrase/)
  const misspelled = `${key.identity.slice(0, -1)}b`
  await assert.rejects(
    openReplicaClient(url, { encryption: { identities: misspelled } }),
    (error) => isLitestreamError(error, 'CONFIG_INVALID') && !error.message.includes(misspelled.slice(20)),
  )
})

test('the command line and litestream.yml can enable encryption for replicate, for restore, and for a mirror that decrypts', async (t) => {
  const key = ageKey(t)
  const dir = temporaryDirectory(t)
  const db = new Database(path.join(dir, 'app.db'))
  db.pragma('journal_mode = wal')
  db.exec('CREATE TABLE t (x); INSERT INTO t VALUES (42)')
  db.close()
  const config = path.join(dir, 'litestream.yml')
  writeFileSync(
    config,
    `dbs: [{ path: ${dir}/app.db, replica: { url: "file://${dir}/replica", encryption: { identities: ${key.file} } }, mirrors: [{ url: "file://${dir}/plain" }] }]`,
  )
  const replicated = await run(['replicate', '-once', '-config', config])
  assert.equal(replicated.status, 0, replicated.stderr)
  const restored = path.join(dir, 'restored.db')
  const env = { LITESTREAM_AGE_IDENTITIES: key.file }
  assert.equal((await run(['restore', '-o', restored, `file://${dir}/replica`], { env })).status, 0)
  assert.equal((await run(['verify', `file://${dir}/plain`])).status, 0)
  const names = execFileSync('find', [path.join(dir, 'replica'), '-name', '*.ltx'], { encoding: 'utf8' })
    .trim()
    .split('\n')
  assert.equal(ageDecrypt(key, names[0]!).subarray(0, 4).toString(), 'LTX1')
})
