import assert from 'node:assert/strict'
import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { restore } from '../../src/restore/restore.js'
import { openReplicaClient } from '../../src/storage/open.js'
import type { ReplicaClient } from '../../src/storage/replica-client.js'
import { collect } from '../support/collect.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { App, assertAppState } from './app.js'
import { PrimaryChild } from './primary-child.js'

/**
 * How long the harness runs; ten minutes: `LITESTREAM_KILL_SECONDS=600 npm test -- primary/kill`.
 */
const SECONDS = Number(process.env.LITESTREAM_KILL_SECONDS ?? 20)
/** Minimum number of kills, however busy the machine is. */
const KILLS = 8
/** Rounds with one database, before the next begins with another page size. */
const ROUNDS = 12
const random = (below: number) => Math.floor(Math.random() * below)

test(`a primary that is killed at random moments under load for ${SECONDS} s loses no commit, and every replicated TXID is a committed state`, async (t) => {
  const dir = temporaryDirectory(t)
  const end = Date.now() + SECONDS * 1000
  const reasons: Record<string, number> = {}
  let kills = 0
  let states = 0
  for (let epoch = 0; Date.now() < end || kills < KILLS; epoch++) {
    const place = path.join(dir, `${epoch}`)
    mkdirSync(place)
    const url = `file://${place}/replica`
    const app = new App(t, path.join(place, 'app.db'))
    const client = await openReplicaClient(url)
    const check = await checker(client, app, path.join(place, 'restored.db'))
    const pageSize = [512, 1024, 4096, 8192, 65536][random(5)]!
    const settings = () => ({
      pageSize,
      pause: [0, 2, 20][random(3)]!,
      autoCheckpoint: [-1, 5, 100, 0][random(4)]!,
      rough: random(2) === 0,
    })
    const options = () => ({
      minCheckpointPages: [10, 50, 1000][random(3)]!,
      truncatePages: [100, 121_359][random(2)]!,
      checkpointInterval: [20, 60_000][random(2)]!,
      maxSyncWalBytes: [20_000, 64 * 1024 * 1024][random(2)]!,
      busyTimeout: 200,
    })
    app.start(settings())
    for (let round = 0; round < ROUNDS && (Date.now() < end || kills < KILLS); round++) {
      const primary = new PrimaryChild(t, app.file, url, options())
      if (random(4) > 0) await primary.waitFor('open')
      await delay(random(400))
      await primary.kill()
      kills++
      for (const event of primary.of('sync')) {
        const reason = event.snapshotReason as string | undefined
        if (reason !== undefined) reasons[reason] = (reasons[reason] ?? 0) + 1
      }
      if (random(3) === 0) {
        // The application also ends in some way, and may continue alone for a while.
        await app.stop(random(2) === 0 ? 'SIGTERM' : 'SIGKILL')
        if (random(2) === 0) await app.run(1 + random(50), settings())
        app.start(settings())
      }
      states += await check()
    }
    await app.stop()
    const primary = new PrimaryChild(t, app.file, url, options())
    await primary.sync()
    assert.equal(await primary.stop(), 0)
    states += await check()
    // An application that is killed between a commit and recording it leaves one commit more than
    // it acknowledged.
    const committed = lastCommit(app.file)
    assert.ok(
      committed === app.last || committed === app.last + 1,
      `${committed} is committed, ${app.last} acknowledged`,
    )
    assert.equal(await check.newest(), committed, 'after a clean stop the last commit is in the replica')
    await client.close()
    rmSync(place, { recursive: true })
  }
  t.diagnostic(`${kills} kills, ${states} states checked, snapshots: ${JSON.stringify(reasons)}`)
  assert.ok(kills >= KILLS && states > 0)
})

/**
 * Returns a function that restores to TXIDs that are new since its last call, checks each state,
 * and says how many it did.
 */
async function checker(client: ReplicaClient, app: App, output: string) {
  let checked = 0
  let lastCommit = 0
  const state = async (txid: number): Promise<number> => {
    const last = app.last
    await restore(client, { output, txid, integrityCheck: 'none' })
    const commit = assertAppState(output)
    for (const suffix of ['', '-wal', '-shm']) rmSync(output + suffix, { force: true })
    assert.ok(commit <= Math.max(last, app.last) + 1, `commit ${commit} was never made`)
    return commit
  }
  const newest = async () => (await collect(client.list(0))).at(-1)?.maxTxid ?? 0
  const check = async (): Promise<number> => {
    const end = await newest()
    const first = checked + 1
    const chosen = new Set([first, end, ...Array.from({ length: 6 }, () => first + random(end - first + 1))])
    const txids = [...chosen].filter((txid) => txid >= first && txid <= end).sort((a, b) => a - b)
    for (const txid of txids) {
      const commit = await state(txid)
      assert.ok(commit >= lastCommit, `TXID ${txid} has commit ${commit}, an earlier one had ${lastCommit}`)
      lastCommit = commit
    }
    checked = end
    return txids.length
  }
  return Object.assign(check, { newest: async () => state(await newest()) })
}

/** The number of the last commit in the application's database. */
function lastCommit(file: string): number {
  const db = new Database(file, { readonly: true })
  try {
    return db.prepare('SELECT n FROM state').pluck().get() as number
  } finally {
    db.close()
  }
}
