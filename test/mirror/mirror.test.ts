import assert from 'node:assert/strict'
import { readdirSync, rmSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { isLitestreamError } from '../../src/errors.js'
import { listLevels } from '../../src/levels/plan.js'
import { verifyReplica } from '../../src/levels/verify-replica.js'
import { followMirror, mirror } from '../../src/mirror/mirror.js'
import { restorableTxid } from '../../src/mirror/retention.js'
import { restore } from '../../src/restore/restore.js'
import { ForwardingClient } from '../../src/storage/forwarding-client.js'
import { openReplicaClient } from '../../src/storage/open.js'
import type { ReplicaClient } from '../../src/storage/replica-client.js'
import { cleanUp } from '../support/clean-up.js'
import { compactRange } from '../support/compact.js'
import { hashFile } from '../support/history.js'
import { natsUrl } from '../support/nats.js'
import { damageFrame, makeSource, type Source } from '../support/replica.js'
import { s3Bucket, s3Server } from '../support/s3.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

async function open(t: TestContext, url: string): Promise<ReplicaClient> {
  const client = await openReplicaClient(url)
  cleanUp(t, () => client.close())
  return client
}

const emptyFolder = (t: TestContext) => pathToFileURL(path.join(temporaryDirectory(t), 'mirror')).href

async function s3Url(t: TestContext): Promise<string> {
  const { endpoint, accessKeyId, secretAccessKey } = s3Server()
  const credentials = `${encodeURIComponent(accessKeyId)}:${encodeURIComponent(secretAccessKey)}@`
  return `s3://${credentials}${await s3Bucket(t)}/app.db?endpoint=${encodeURIComponent(endpoint)}&region=us-east-1&forcePathStyle=true`
}

/**
 * Twelve states: a snapshot of the eighth, files of level 1 for the first ten, all twelve in level
 * 0.
 */
async function makeHistory(t: TestContext): Promise<Source> {
  const source = await makeSource(t)
  await source.history.commit('CREATE TABLE t (x); INSERT INTO t VALUES (1)')
  for (let i = 2; i <= 12; i++) {
    await source.history.commit(`INSERT INTO t VALUES (randomblob(${i * 700}))`)
    if (i === 8) await source.history.snapshot()
  }
  await compactRange(source, 1, 1, 5)
  await compactRange(source, 1, 6, 10)
  return source
}

async function assertSameStates(t: TestContext, source: Source, copy: ReplicaClient, txids: readonly number[]) {
  for (const txid of txids) {
    const output = path.join(temporaryDirectory(t), `${txid}.db`)
    await restore(copy, { output, txid })
    assert.equal(hashFile(output), source.history.hashes.get(txid), `TXID ${txid}`)
  }
}

const names = async (client: ReplicaClient) =>
  (await listLevels(client)).map((files) => files.map(({ minTxid, maxTxid, size }) => [minTxid, maxTxid, size]))

test('a mirror copies every TXID of a replica from a folder to S3, from S3 to NATS, and from NATS to a folder', async (t) => {
  const source = await makeHistory(t)
  let from = source.client
  for (const url of [await s3Url(t), natsUrl(), emptyFolder(t)]) {
    const to = await open(t, url)
    const result = await mirror(from, to)
    assert.deepEqual([result.txid, result.sourceTxid, result.copied.length, result.deleted.length], [12, 12, 15, 0])
    assert.deepEqual(await names(to), await names(source.client))
    const again = await mirror(from, to)
    assert.deepEqual([again.copied, again.deleted, again.bytes], [[], [], 0])
    from = to
  }
  await assertSameStates(t, source, from, [1, 3, 8, 12])
  const { faults, restorable } = await verifyReplica(from)
  assert.deepEqual([faults, restorable?.txid], [[], 12])
  // A folder keeps the time of each state, so that a restore to a time finds the same one.
  const output = path.join(temporaryDirectory(t), 'at.db')
  await restore(from, { output, timestamp: source.history.times.get(4)! + 1 })
  assert.equal(hashFile(output), source.history.hashes.get(4))
})

test('after every write of a mirror, the destination can be restored to the previous TXID or a later one', async (t) => {
  const source = await makeHistory(t)
  const to = await open(t, emptyFolder(t))
  const states: number[] = []
  const observed = Object.assign(new ForwardingClient(to), {
    write: async (...args: Parameters<ReplicaClient['write']>) => {
      const written = await to.write(...args)
      states.push(restorableTxid(await listLevels(to)))
      return written
    },
  })
  await mirror(source.client, observed, { parallelism: 1 })
  assert.equal(states.length, 15)
  assert.deepEqual(
    states,
    [...states].sort((a, b) => a - b),
  )
  assert.ok(states[0]! >= 8, 'the snapshot comes first')
  assert.equal(states.at(-1), 12)
})

test('if the destination fails in the middle of a file, the next run of the mirror copies this file and the remaining files', async (t) => {
  const source = await makeHistory(t)
  const url = emptyFolder(t)
  const to = await open(t, url)
  let writes = 0
  const failing = Object.assign(new ForwardingClient(to), {
    write: async (...[file, body, options]: Parameters<ReplicaClient['write']>) => {
      if (++writes <= 3) return to.write(file, body, options)
      // The store takes the first chunk, and is gone then.
      const cut = (async function* () {
        for await (const chunk of body as AsyncIterable<Uint8Array>) {
          yield chunk.subarray(0, 50)
          throw new Error('connection lost')
        }
      })()
      return to.write(file, cut, options)
    },
  })
  await assert.rejects(mirror(source.client, failing), /connection lost/)
  assert.equal((await listLevels(to)).flat().length, 3)
  const rest = await mirror(source.client, to)
  assert.equal(rest.copied.length, 12)
  await assertSameStates(t, source, to, [1, 12])
})

test('if the source deletes a file, the mirror deletes an L0 file immediately, and a file of another level after the mirror’s own retention', async (t) => {
  const source = await makeHistory(t)
  const [follows, keeps] = [await open(t, emptyFolder(t)), await open(t, emptyFolder(t))]
  for (const to of [follows, keeps]) await mirror(source.client, to)
  // The source deletes what a new snapshot replaces.
  await source.history.snapshot()
  const levels = await listLevels(source.client)
  const old = [...levels[0]!.slice(0, -1), levels[1]![0]!, levels[9]![0]!]
  await source.client.delete(old)
  const followed = await mirror(source.client, follows)
  assert.deepEqual([followed.copied.length, followed.deleted.length], [1, old.length])
  assert.deepEqual(await names(follows), await names(source.client))
  const kept = await mirror(source.client, keeps, { retention: 30 * 86_400_000 * 365 })
  assert.deepEqual(
    kept.deleted.map(({ level }) => level),
    Array<number>(11).fill(0),
  )
  await assertSameStates(t, source, keeps, [5, 8, 10, 12])
  // The retention is over: the files of the states of 2023 go, but for the newest of each level.
  const ended = await mirror(source.client, keeps, { retention: 1 })
  assert.deepEqual(
    ended.deleted.map(({ level, maxTxid }) => [level, maxTxid]),
    [
      [1, 5],
      [9, 8],
    ],
  )
  await assertSameStates(t, source, keeps, [12])
})

test('if the source has lost all of its files, the mirror deletes no file', async (t) => {
  const source = await makeHistory(t)
  const to = await open(t, emptyFolder(t))
  await mirror(source.client, to)
  const before = await names(to)
  rmSync(source.files, { recursive: true })
  await assert.rejects(mirror(source.client, to), (error) => isLitestreamError(error, 'REPLICA_EMPTY'))
  assert.deepEqual(await names(to), before)
})

test('if the source lacks files for its newest TXID, the mirror keeps every file that the mirror’s newest TXID needs', async (t) => {
  const source = await makeHistory(t)
  const to = await open(t, emptyFolder(t))
  await mirror(source.client, to)
  // Only L0 files are left, and they begin after TXID 1.
  const levels = await listLevels(source.client)
  await source.client.delete([...levels[1]!, ...levels[9]!, levels[0]![0]!])
  const { deleted, txid } = await mirror(source.client, to)
  assert.deepEqual([deleted, txid], [[], 12])
  await assertSameStates(t, source, to, [1, 12])
})

test('a mirror refuses a source that was reset, and a source of another database', async (t) => {
  const source = await makeHistory(t)
  const to = await open(t, emptyFolder(t))
  await mirror(source.client, to)
  const before = await names(to)
  const refused = (error: unknown) => isLitestreamError(error, 'REPLICA_RESET') && /empty destination/.test(error.hint)
  rmSync(source.files, { recursive: true })
  await source.history.restart('INSERT INTO t VALUES (2)')
  await assert.rejects(mirror(source.client, to), refused)
  for (let i = 0; i < 14; i++) await source.history.commit('INSERT INTO t VALUES (3)')
  await assert.rejects(mirror(source.client, to), refused)
  const other = await makeHistory(t)
  await assert.rejects(mirror(other.client, to), refused)
  assert.deepEqual(await names(to), before)
})

test('a mirror refuses a destination to which a primary replicates, and a destination that is the source itself', async (t) => {
  const source = await makeHistory(t)
  const to = await open(t, emptyFolder(t))
  await mirror(source.client, to)
  await to.putObject('primary.json', Buffer.from('{}'), null)
  await assert.rejects(mirror(source.client, to), (error) => isLitestreamError(error, 'REPLICA_FENCED'))
  await assert.rejects(followMirror(source.client, to, {}), (error) => isLitestreamError(error, 'REPLICA_FENCED'))
  await assert.rejects(mirror(source.client, source.client), (error) => isLitestreamError(error, 'INVALID_ARGUMENT'))
})

test('a mirror refuses a destination that is inside the source folder, contains the source folder, or reaches it through a link', async (t) => {
  const source = await makeHistory(t)
  const folder = fileURLToPath(source.client.url)
  const link = `${folder}-link`
  symlinkSync(folder, link)
  const before = readdirSync(folder, { recursive: true })
  for (const other of [`${folder}/ltx`, `${folder}/below/it`, path.dirname(folder), link, `${link}/ltx/9`]) {
    const to = await open(t, pathToFileURL(other).href)
    await assert.rejects(mirror(source.client, to), { code: 'INVALID_ARGUMENT', message: /overlap/ })
  }
  assert.deepEqual(readdirSync(folder, { recursive: true }), before)
})

test('a mirror does not copy a damaged file of the source, but copies the other files that the newest TXID needs', async (t) => {
  const source = await makeHistory(t)
  const levels = await listLevels(source.client)
  await damageFrame(source, levels[9]![0]!, 2)
  await damageFrame(source, levels[0]![2]!, 2)
  const to = await open(t, emptyFolder(t))
  const { damaged, txid, copied } = await mirror(source.client, to)
  assert.deepEqual(damaged.map(({ file }) => [file.level, file.maxTxid]).sort(), [
    [0, 3],
    [9, 8],
  ])
  assert.deepEqual([txid, copied.length], [12, 13])
  await assertSameStates(t, source, to, [5, 12])
})

test('a mirror that follows its source copies each new TXID, and ends when its AbortSignal is aborted', async (t) => {
  const source = await makeHistory(t)
  const to = await open(t, emptyFolder(t))
  const controller = new AbortController()
  const passes: number[] = []
  let advanced = () => {}
  const following = followMirror(source.client, to, {
    signal: controller.signal,
    interval: 20,
    onPass: ({ txid }) => {
      passes.push(txid)
      advanced()
    },
    onError: (error) => assert.fail(error),
  })
  for (let txid = 13; txid <= 15; txid++) {
    const reached = new Promise<void>((resolve) => {
      advanced = () => {
        if (passes.at(-1) === txid) resolve()
      }
    })
    await source.history.commit('INSERT INTO t VALUES (4)')
    await reached
  }
  controller.abort()
  await following
  await assertSameStates(t, source, to, [13, 14, 15])
})
