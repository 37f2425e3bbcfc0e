import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { isLitestreamError } from '../../../src/errors.js'
import { listLevels } from '../../../src/levels/plan.js'
import { verifyReplica } from '../../../src/levels/verify-replica.js'
import { formatFileName } from '../../../src/ltx/file-name.js'
import { openReplica } from '../../../src/replica/handle/open-replica.js'
import { restore } from '../../../src/restore/restore.js'
import { PREAMBLE } from '../../../src/storage/encrypted/header.js'
import { SEALED_CHUNK } from '../../../src/storage/encrypted/payload.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import type { LtxFileInfo } from '../../../src/storage/replica-client.js'
import { ageKey } from '../../support/age.js'
import { cleanUp } from '../../support/clean-up.js'
import { History } from '../../support/history.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

/** The parts of a sealed file: its preamble and its chunks. */
function partsOf(file: Buffer): Buffer[] {
  const parts = [file.subarray(0, PREAMBLE)]
  for (let at = PREAMBLE; at < file.length; at += SEALED_CHUNK) parts.push(file.subarray(at, at + SEALED_CHUNK))
  return parts
}

const joined = (...parts: (Buffer | undefined)[]) => Buffer.concat(parts.map((part) => part!))

test('if chunks, headers or names of encrypted files were exchanged, restores, checks and page reads refuse the files', async (t) => {
  const key = ageKey(t)
  const directory = temporaryDirectory(t)
  const folder = path.join(directory, 'replica')
  const url = `file://${folder}`
  const encryption = { identities: key.file }
  const client = await openReplicaClient(url, { encryption })
  cleanUp(t, () => client.close())
  const history = new History(path.join(directory, 'app.db'), client)
  cleanUp(t, async () => history.close())
  const rows = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) SELECT i, randomblob(1000) FROM n`
  await history.commit('CREATE TABLE t (id INTEGER PRIMARY KEY, x)')
  await history.commit(`INSERT INTO t ${rows}`)
  await history.commit(`REPLACE INTO t ${rows}`)
  await history.snapshot()
  const levels = await listLevels(client)
  const find = (level: number, maxTxid: number) => levels[level]!.find((file) => file.maxTxid === maxTxid)!
  const fileOf = ({ level, minTxid, maxTxid }: LtxFileInfo) =>
    path.join(folder, 'ltx', String(level), formatFileName(minTxid, maxTxid))
  const [snapshot, second, third] = [fileOf(find(9, 3)), fileOf(find(0, 2)), fileOf(find(0, 3))]
  const original = new Map([snapshot, second, third].map((file) => [file, readFileSync(file)] as const))
  const [whole, other] = [partsOf(original.get(snapshot)!), partsOf(original.get(third)!)]
  assert.ok(whole.length > 5 && other.length > 5)
  const [head, ...chunks] = whole
  const forgeries: Readonly<Record<string, Buffer>> = {
    'two chunks exchanged': joined(head, chunks[1], chunks[0], ...chunks.slice(2)),
    'a chunk repeated': joined(head, chunks[0], chunks[0], ...chunks.slice(2)),
    'a chunk left out': joined(head, chunks[0], ...chunks.slice(2)),
    'the last chunk left out': joined(head, ...chunks.slice(0, -1)),
    'a chunk added': joined(head, ...chunks, chunks.at(-1)),
    'cut inside a chunk': original.get(snapshot)!.subarray(0, PREAMBLE + SEALED_CHUNK + 1000),
    'only the header': joined(head),
    nothing: Buffer.alloc(0),
    'the header of another file': joined(other[0], ...chunks),
    'a chunk of another file': joined(head, other[1], ...chunks.slice(1)),
    'the nonce changed': joined(head!.subarray(0, -1), Buffer.of(head!.at(-1)! ^ 1), ...chunks),
    'another file under its name': original.get(third)!,
    'an older file under its name': original.get(second)!,
  }
  const output = path.join(directory, 'restored.db')
  // The other files lead to the same state, so only the snapshot is left.
  for (const file of [second, third]) writeFileSync(file, joined(partsOf(original.get(file)!)[0]))
  for (const [what, bytes] of Object.entries(forgeries)) {
    writeFileSync(snapshot, bytes)
    const refused = (error: unknown) =>
      isLitestreamError(error, 'LTX_CORRUPT', 'DECRYPTION_FAILED', 'LTX_GAP', 'REPLICA_EMPTY')
    await assert.rejects(restore(client, { output }), refused, what)
    assert.ok((await verifyReplica(client)).faults.length > 0, what)
    await assert.rejects(async () => {
      const replica = await openReplica(url, { encryption, openTimeout: 1000 })
      try {
        const db = new Database(replica.uri, { readonly: true })
        try {
          assert.equal(db.prepare('SELECT sum(length(x)) FROM t').pluck().get(), 300_000)
        } finally {
          db.close()
        }
      } finally {
        await replica.close()
      }
    }, what)
  }
  for (const [file, bytes] of original) writeFileSync(file, bytes)
  const { txid } = await restore(client, { output })
  assert.equal(txid, 3)
})
