import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { restore } from '../../src/restore/restore.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { contentHashes } from '../support/content.js'

/**
 * Restores the replica, full integrity check, and asserts that every table is what it is in
 * `database`. Returns the TXID.
 */
export async function assertReplicaEquals(url: string, database: string): Promise<number> {
  const output = path.join(tmpdir(), `restored-${randomUUID()}.db`)
  const client = await openReplicaClient(url)
  try {
    const { txid } = await restore(client, { output, integrityCheck: 'full' })
    assert.deepEqual(contentHashes(output), contentHashes(database))
    return txid
  } finally {
    await client.close()
    for (const suffix of ['', '-wal', '-shm']) rmSync(output + suffix, { force: true })
  }
}
