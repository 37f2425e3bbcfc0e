import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { replicateOnce } from '../../src/primary/replicate-once.js'
import { restore } from '../../src/restore/restore.js'
import { Random } from '../support/random.js'
import { released } from '../support/released.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { userHashes, writeV3Replica } from '../support/v3-replica.js'

const seed = Number(process.env.LITESTREAM_INTEROP_SEED ?? 20_261_130)
const POINTS = 20

for (const store of ['file', 's3'] as const) {
  test(`a replica of Litestream 0.3.13 in ${store}, seed ${seed}: both programs restore the same database, and litestream-ts continues the replica`, async (t) => {
    const official = released(t, '0.3.13')
    if (!official) return
    const directory = temporaryDirectory(t)
    const at = (name: string) => path.join(directory, name)
    const random = new Random(seed)
    const replica = await writeV3Replica(t, official, directory, { store, random, generations: 3 })
    const { client, config, file, times, hashes } = replica
    // Litestream 0.3 may start one more generation.
    assert.ok(replica.generations >= 3, `${replica.generations} generations`)

    const ours = async (target: { readonly timestamp?: number } = {}) => {
      await restore(client, { output: at('ours.db'), force: true, integrityCheck: 'full', ...target })
      return userHashes(at('ours.db'))
    }
    let count = 0
    /**
     * Undefined for a time of which it says that it has no backup: between two generations, and
     * before a first snapshot.
     */
    const theirs = async (...args: string[]) => {
      const output = at(`theirs-${count++}.db`)
      const ended = await official.run(['restore', '-config', config, ...args, '-o', output, file])
      if (ended.status === 0) return userHashes(output)
      assert.match(ended.output + ended.errors, /no snapshots available|no matching backups found/)
      return undefined
    }
    assert.deepEqual(await ours(), hashes)
    assert.deepEqual(await theirs(), hashes)

    const [first, last] = [times[0]!, times.at(-1)!]
    const points = Array.from({ length: POINTS }, (_, i) => times[i] ?? random.integer(first, last))
    const states = new Set<string>()
    const restored: number[] = []
    for (const timestamp of points) {
      const wanted = await theirs('-timestamp', new Date(timestamp).toISOString())
      if (wanted === undefined) continue
      assert.deepEqual(await ours({ timestamp }), wanted, `at ${new Date(timestamp).toISOString()}`)
      restored.push(timestamp)
      states.add(JSON.stringify(wanted))
    }
    // S3 stores whole seconds, and the test takes only seconds: few states have distinct times.
    assert.ok(states.size >= (store === 'file' ? 8 : 2), `${states.size} states at ${POINTS} points`)

    // In place: the same database, the same replica, the state folder of 0.3 beside it.
    replica.db.exec('CREATE TABLE taken_over (x); INSERT INTO taken_over VALUES (1)')
    await replicateOnce(file, replica.url)
    assert.deepEqual(await ours(), userHashes(file))
    const before = restored[0]!
    const wanted = await theirs('-timestamp', new Date(before).toISOString())
    assert.deepEqual(await ours({ timestamp: before }), wanted, 'the history of 0.3 is still restored')
    const newer = released(t, '0.5.17')
    if (newer && store === 'file') {
      await newer.succeed(['restore', '-o', at('newer.db'), replica.url])
      assert.deepEqual(userHashes(at('newer.db')), userHashes(file))
    }
  })
}
