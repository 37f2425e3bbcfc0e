import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { compact } from '../../src/compaction/compact.js'
import { enforceL0Retention, enforceSnapshotRetention } from '../../src/compaction/retention.js'
import { createSnapshot } from '../../src/compaction/snapshot.js'
import { listLevels, selectPlan } from '../../src/levels/plan.js'
import { contiguityFaults } from '../../src/levels/verify-replica.js'
import { decodeLtx } from '../../src/ltx/decoder.js'
import { fileLabel } from '../../src/ltx/file-label.js'
import { openReplicaClient } from '../../src/storage/open.js'
import type { LtxFileInfo, LtxFileRef, ReplicaClient } from '../../src/storage/replica-client.js'
import { makeLtx, makePage } from '../ltx/make.js'

const PAGE_SIZE = 512
const L0_RETENTION = 5_000
const SNAPSHOT_RETENTION = 40_000
/** Runs of the property; a longer search: LITESTREAM_TEST_RUNS=3000. */
const RUNS = Number(process.env.LITESTREAM_TEST_RUNS ?? 120)

type Step =
  | { readonly op: 'write'; readonly commit: number; readonly pgnos: readonly number[]; readonly wait: number }
  | { readonly op: 'compact'; readonly level: number }
  | { readonly op: 'snapshot' | 'l0-retention' | 'snapshot-retention' }
/** The process that makes the changes dies after this many of them. */
type Crash = number | undefined

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant('write' as const),
      commit: fc.integer({ min: 1, max: 12 }),
      pgnos: fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { maxLength: 5 }),
      wait: fc.integer({ min: 1, max: 9000 }),
    }),
  },
  { weight: 5, arbitrary: fc.record({ op: fc.constant('compact' as const), level: fc.integer({ min: 1, max: 3 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constantFrom('snapshot' as const, 'l0-retention' as const, 'snapshot-retention' as const),
    }),
  },
)

class Died extends Error {}

/**
 * A replica whose database is known at every TXID, and a client that calls back after each change.
 */
class Model {
  readonly client: ReplicaClient
  readonly states: (readonly Uint8Array[])[] = [[]]
  readonly times: number[] = [0]
  readonly #raw: ReplicaClient
  readonly #decoded = new Map<string, Promise<Map<number, Uint8Array>>>()
  readonly #commits = new Map<string, number>()
  crash: Crash
  now = 1_700_000_000_000

  constructor(raw: ReplicaClient) {
    this.#raw = raw
    const changed = async () => {
      await this.check()
      if (this.crash !== undefined && --this.crash <= 0) throw new Died()
    }
    this.client = new Proxy(raw, {
      get: (target, name) => {
        if (name === 'write') {
          return async (...args: Parameters<ReplicaClient['write']>) => {
            const file = await target.write(...args)
            await changed()
            return file
          }
        }
        if (name === 'delete') {
          return async (files: readonly LtxFileRef[]) => {
            for (const file of files) {
              await target.delete([file])
              await changed()
            }
          }
        }
        const value = Reflect.get(target, name) as unknown
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }

  get txid(): number {
    return this.states.length - 1
  }

  async write({ commit, pgnos, wait }: Extract<Step, { op: 'write' }>): Promise<void> {
    const before = this.states.at(-1)!
    const txid = this.states.length
    const state = Array.from({ length: commit }, (_, i) => before[i] ?? makePage(PAGE_SIZE, txid * 100 + i))
    for (const pgno of pgnos) if (pgno <= commit) state[pgno - 1] = makePage(PAGE_SIZE, txid * 100 + pgno + 50)
    const pages = new Map(state.flatMap((page, i) => (page === before[i] ? [] : [[i + 1, page] as const])))
    this.now += wait
    const init = { pageSize: PAGE_SIZE, commit, minTxid: txid, maxTxid: txid, timestamp: this.now }
    await this.#raw.write({ level: 0, minTxid: txid, maxTxid: txid }, makeLtx(init, pages), { timestamp: this.now })
    this.states.push(state)
    this.times.push(this.now)
  }

  async run(step: Step): Promise<void> {
    const { client, now } = this
    if (step.op === 'write') return this.write(step)
    if (this.txid === 0) return
    if (step.op === 'compact') await compact(client, { level: step.level })
    else if (step.op === 'snapshot') await createSnapshot(client)
    else if (step.op === 'l0-retention') await enforceL0Retention(client, { l0Retention: L0_RETENTION, now })
    else await enforceSnapshotRetention(client, { retention: SNAPSHOT_RETENTION, now })
  }

  /**
   * Every state that can be planned equals the original state; every state that must be reachable
   * can be planned.
   */
  async check(): Promise<void> {
    if (this.txid === 0) return
    const levels = await listLevels(this.#raw)
    assert.equal(selectPlan(levels).at(-1)?.maxTxid, this.txid, 'a new reader gets the newest state')
    assert.deepEqual(
      contiguityFaults(this.#raw, levels).map(({ error }) => error.message),
      [],
    )
    const snapshots = levels[9]!
    for (let txid = 1; txid <= this.txid; txid++) {
      const plan = selectPlan(levels, { txid })
      if (plan.length === 0) {
        assert.ok(this.times[txid]! < this.now - L0_RETENTION, `TXID ${txid} is younger than level 0's retention`)
        assert.ok(!snapshots.some(({ maxTxid }) => maxTxid === txid), `TXID ${txid} has a snapshot`)
        const since = snapshots[0]?.maxTxid ?? 0
        const ends = levels
          .slice(1, 4)
          .flat()
          .some(({ maxTxid, minTxid }) => maxTxid === txid && minTxid > since)
        assert.ok(!ends, `TXID ${txid} ends a compacted file after the oldest snapshot`)
        continue
      }
      assert.deepEqual(await this.#materialize(plan), this.states[txid], `TXID ${txid}`)
    }
  }

  async #materialize(plan: readonly LtxFileInfo[]): Promise<Uint8Array[]> {
    const pages: Uint8Array[] = []
    for (const file of plan) {
      const label = fileLabel(this.#raw, file)
      if (!this.#decoded.has(label)) this.#decoded.set(label, this.#decode(file, label))
      for (const [pgno, page] of await this.#decoded.get(label)!) pages[pgno - 1] = page
      pages.length = this.#commits.get(label)!
    }
    return pages
  }

  async #decode(file: LtxFileInfo, label: string): Promise<Map<number, Uint8Array>> {
    const ltx = await decodeLtx(this.#raw.stream(file), label)
    const pages = new Map<number, Uint8Array>()
    for await (const batch of ltx.batches) {
      for (let i = 0; i < batch.count; i++) {
        pages.set(batch.pgnos[i]!, batch.pages.slice(i * PAGE_SIZE, (i + 1) * PAGE_SIZE))
      }
    }
    this.#commits.set(label, ltx.header.commit)
    return pages
  }
}

test('after every step of a random schedule with crashes, every TXID that should exist is restored correctly', async () => {
  // In memory if such a directory exists: every file is synced, and the disk is not under test.
  const root = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(step, fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined, freq: 4 })), {
        minLength: 5,
        maxLength: 50,
      }),
      async (steps) => {
        const dir = mkdtempSync(path.join(root, 'litestream-test-'))
        try {
          const model = new Model(await openReplicaClient(`file://${dir}`))
          for (const [step, crash] of steps) {
            model.crash = crash
            try {
              await model.run(step)
            } catch (error) {
              if (!(error instanceof Died)) throw error
            }
            await model.check()
          }
        } finally {
          rmSync(dir, { recursive: true })
        }
      },
    ),
    { numRuns: RUNS, includeErrorInReport: true },
  )
})
