import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { listForLatest } from '../../../../src/levels/latest-listing.js'
import { selectPlan } from '../../../../src/levels/plan.js'
import type { LtxFileInfo, ReplicaClient } from '../../../../src/storage/replica-client.js'

/**
 * A listing of made-up files that counts the LISTs of 1,000 names which a store would have
 * answered.
 */
class Listing {
  requests = 0
  constructor(readonly levels: readonly LtxFileInfo[][]) {}

  async *list(level: number, { fromTxid = 0 } = {}): AsyncIterable<LtxFileInfo> {
    const files = this.levels[level].filter((file) => file.minTxid >= fromTxid)
    for (let i = 0; i === 0 || i < files.length; i += 1000) {
      this.requests++
      yield* files.slice(i, i + 1000)
    }
  }
}

/** A store that can list several levels at once. */
class UpwardListing extends Listing {
  async *listUpwards(level: number): AsyncIterable<LtxFileInfo> {
    const files = this.levels.slice(level).flat()
    for (let i = 0; i === 0 || i < files.length; i += 1000) {
      this.requests++
      yield* files.slice(i, i + 1000)
    }
  }
}

function file(level: number, minTxid: number, maxTxid: number): LtxFileInfo {
  return { level, minTxid, maxTxid, size: 1000, createdAt: maxTxid }
}

/** Levels as a primary leaves them: `raw` files a TXID each, the rest compacted in steps. */
function levels(last: number, steps: readonly number[], snapshot: number): LtxFileInfo[][] {
  const all: LtxFileInfo[][] = Array.from({ length: 10 }, () => [])
  for (let txid = Math.max(1, last - 300); txid <= last; txid++) all[0].push(file(0, txid, txid))
  steps.forEach((step, i) => {
    for (let min = 1; min + step - 1 <= last; min += step) all[i + 1].push(file(i + 1, min, min + step - 1))
  })
  if (snapshot > 0) all[9].push(file(9, 1, snapshot))
  return all
}

test('a listing of one day’s files takes two round trips, and gives the same restore plan as a complete listing', async () => {
  const all = levels(86_400, [30, 300, 3600], 1200)
  assert.ok(all[1].length > 2000)
  const listing = new Listing(all)
  const client = listing as unknown as ReplicaClient
  const files = await listForLatest(client, new AbortController().signal)
  assert.deepEqual(selectPlan(files), selectPlan(all))
  assert.equal(listing.requests, 11, 'one LIST a level, one more for the level of 30-second files')
})

test('if the store can list several levels together, a listing of one day’s files takes four LISTs', async () => {
  const all = levels(86_400, [30, 300, 3600], 1200)
  const listing = new UpwardListing(all)
  const files = await listForLatest(listing as unknown as ReplicaClient, new AbortController().signal)
  assert.deepEqual(selectPlan(files), selectPlan(all))
  assert.equal(listing.requests, 4, 'two dense levels, all above, the rest of the level of 30-second files')
})

test('the restore plan of a short listing reaches the same TXID as the plan of a complete listing, for any levels', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 6000 }),
      fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 0, max: 6000 }),
      async (last, steps, snapshot) => {
        const all = levels(
          last,
          steps.sort((a, b) => a - b),
          Math.min(snapshot, last),
        )
        for (const Store of [Listing, UpwardListing]) {
          const client = new Store(all) as unknown as ReplicaClient
          const plan = selectPlan(await listForLatest(client, new AbortController().signal))
          assert.equal(plan.at(-1)?.maxTxid, selectPlan(all).at(-1)?.maxTxid)
        }
      },
    ),
    { numRuns: 50, examples: [[3137, [2], 2835]] }, // a file that straddles the end of the snapshot
  )
})
