import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { ReplicaClient } from '../../src/storage/replica-client.js'
import { collect } from './collect.js'

const GENERATION = 'generations/0123456789abcdef'

/**
 * Writes the files of a replica of Litestream 0.3 to the folder `root`, and checks that `client`
 * reads them there.
 */
export async function checkLegacyObjects(client: ReplicaClient, root: string): Promise<void> {
  const files: Readonly<Record<string, string>> = {
    [`${GENERATION}/snapshots/00000000.snapshot.lz4`]: 'snapshot',
    [`${GENERATION}/wal/00000000_00000000.wal.lz4`]: 'first',
    [`${GENERATION}/wal/00000001_00000020.wal.lz4`]: 'second',
    'generations/other/snapshots/00000000.snapshot.lz4': 'of no generation',
  }
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true })
    writeFileSync(path.join(root, name), content)
  }
  const listed = await collect(client.legacy!.list('generations/'))
  const names = Object.keys(files).slice(0, 3)
  assert.deepEqual(listed.map(({ name }) => name).sort(), names)
  assert.ok(listed.every(({ name, size }) => size === files[name]!.length))
  assert.equal((await collect(client.legacy!.list(`${GENERATION}/wal/00000001`))).length, 1)
  assert.equal(Buffer.concat(await collect(client.legacy!.stream(names[2]!))).toString(), 'second')
}
