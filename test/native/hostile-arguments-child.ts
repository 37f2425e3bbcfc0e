// Calls every function of the addon with valid arguments, and then with each argument replaced by
// an invalid value. Prints the names of the called functions. If the addon crashes, a signal ends
// the process.
import { openSync } from 'node:fs'
import Database from 'better-sqlite3'
import { maxFrameSize } from '../../src/ltx/format.js'
import { addonPath, type Native, native } from '../../src/native/addon.js'
import type { NativeSource } from '../../src/native/source-database.js'

const PAGE_SIZE = 512
const page = new Uint8Array(PAGE_SIZE).fill(7)
const fd = openSync('pages', 'w+')

const frame = new Uint8Array(maxFrameSize(PAGE_SIZE))
const pgnos = () => Uint32Array.of(2)
const frameSize = native.encodeFrames(new BigUint64Array(1), PAGE_SIZE, pgnos(), page, frame, Uint32Array.of(0))

const replica = native.acquireReplica('replica_url=file:///nowhere')
const cache = native.createCache(PAGE_SIZE, 64)
const frames = () => Uint32Array.of(0, frameSize, 2, 0, 0)
if (native.fillSlots(0, 0, cache, frame, frames()) !== 1) throw new Error('fillSlots')
const hydrated = native.openHydrated(replica, 'hydrated', 'hydrated.tmp', PAGE_SIZE, false)
if (typeof hydrated === 'number') throw new Error(`openHydrated: errno ${hydrated}`)
native.resizeHydrated(hydrated, 10)
const facts = { txid: 1, timestamp: 1, commit: 10, counter: 1, cookieShift: 0, cache, hydrated }
const view = native.addView(replica, 0, facts, new Uint32Array())

const databases: Database.Database[] = []
function sourceOf(name: string): NativeSource {
  const db = new Database(name)
  databases.push(db) // a connection that is collected is closed
  db.pragma('journal_mode = WAL')
  db.exec('CREATE TABLE IF NOT EXISTS t (a)')
  native.expectSource()
  db.loadExtension(addonPath())
  return native.takeSource()!
}
const source = sourceOf('source.db')
const stamps = native.createFileStamps()

const indexState = () => {
  const state = new Float64Array(15)
  state.set([156, 0, 0, 100, PAGE_SIZE, 10, 10], 8)
  return state
}
const index = Uint8Array.of(1, 100, 50, 0)
const xxh32 = () => {
  const state = new Uint8Array(64)
  native.xxh32(state)
  return state
}

type Functions = { [K in keyof Native as Native[K] extends (...args: never[]) => unknown ? K : never]: unknown }
/**
 * Valid arguments of every function. The final functions in this list close the objects that the
 * other functions use.
 */
const VALID: Record<Exclude<keyof Functions, 'FrameMerger' | 'readCommit'>, () => unknown[]> = {
  combineCrc64: () => [1n, 2n, 3],
  crc64: () => [0n, page, false],
  encodeFrames: () => [new BigUint64Array(1), PAGE_SIZE, pgnos(), page, new Uint8Array(1000), new Uint32Array(1)],
  encodeFramesLater: () => [new BigUint64Array(1), PAGE_SIZE, pgnos(), page, new Uint8Array(1000), new Uint32Array(1)],
  decodeFrames: () => [
    new BigUint64Array(2),
    PAGE_SIZE,
    frame.subarray(0, frameSize),
    new Uint32Array(1),
    new Uint32Array(1),
    new Uint8Array(PAGE_SIZE),
    true,
    new Float64Array(2),
  ],
  sumPages: () => [PAGE_SIZE, pgnos(), page],
  decodePageIndex: () => [indexState(), index],
  endPageIndex: () => [indexState()],
  mapPageIndex: () => [indexState(), index, 1, () => new ArrayBuffer(12 * 1024), Float64Array.of(0, 1000), true],
  lz4Block: () => [Uint8Array.of(0x10, 65), new Uint8Array(100), 50],
  xxh32: () => [xxh32(), page],
  writeFrames: () => [
    fd,
    PAGE_SIZE,
    frame.subarray(0, frameSize),
    pgnos(),
    Uint32Array.of(frameSize),
    Uint8Array.of(1),
    new Uint8Array(2 * PAGE_SIZE),
    new BigUint64Array(2),
    Float64Array.of(0, PAGE_SIZE, 0, PAGE_SIZE),
  ],
  writePages: () => [fd, PAGE_SIZE, pgnos(), page, Uint8Array.of(1)],
  walChecksum: () => [true, new Uint8Array(16), new Uint32Array(2)],
  scanFrames: () => [
    new Uint8Array(1000),
    PAGE_SIZE,
    true,
    1,
    2,
    new Uint32Array(2),
    new Uint32Array(4),
    new Uint32Array(4),
  ],
  newestFrames: () => [Uint32Array.of(1, 2), 2, 9, 100, new Uint32Array(2), new Uint32Array(2)],
  readPieces: () => [fd, Float64Array.of(0), 8, new Uint8Array(8)],
  takeSource: () => [],
  sourceWalIndex: () => [source, new Uint8Array(136)],
  sourceRead: () => [source, 0, new Uint8Array(100)],
  sourceAutocommit: () => [source],
  expectSource: () => [],
  sourceLock: () => [source],
  sourceInterrupter: () => [source],
  interruptSource: () => [7],
  lockHolder: () => [fd, 120],
  nearestDescriptor: () => [1n, fd],
  sourceUnlock: () => [source],
  // A connection runs one checkpoint at a time, so all further calls must have invalid arguments.
  sourceCheckpoint: () => [sourceOf('checkpointed.db')],
  createFileStamps: () => [],
  addFileStamps: () => [stamps, 'pages'],
  readListedFile: () => ['pages', 4096, 1.5, 0, new Uint8Array(16)],
  removeFileStamps: () => [stamps, 1],
  hasFileStampsChanged: () => [stamps, 1],
  changedFileStamps: () => [stamps],
  tryLockFile: () => [fd],
  acquireReplica: () => ['replica_url=file:///elsewhere'],
  replicaInfo: () => [replica],
  liveObjects: () => [],
  monotonicMs: () => [],
  expectWorker: () => [],
  unexpectWorker: () => [1],
  workerEpoch: () => [],
  workerAlive: () => [],
  openReplicas: () => [],
  tellWorker: () => [4, replica, 'text'],
  attachWorker: () => [() => {}],
  takeRequests: () => [],
  completeRequest: () => [1],
  failRequest: () => [1, 'CODE', 'message'],
  answerPage: () => [1, replica, view, 2, cache, 0],
  completeTravel: () => [1, view],
  setWritable: () => [replica, false, 1000],
  takeCommit: () => [1],
  completeCommit: () => [1, view],
  allReplicas: () => [],
  setState: () => [replica, 1, '', ''],
  setLive: () => [replica, 1],
  setLimits: () => [replica, 1, 1],
  nextIncarnation: () => [replica],
  setHydration: () => [replica, 0.5, 'path'],
  createCache: () => [PAGE_SIZE, 64],
  fillSlots: () => [replica, view, cache, frame, frames()],
  addView: () => [replica, view, facts, Uint32Array.of(1)],
  touched: () => [cache, 0],
  setTrigger: () => [cache, 0],
  indexEntries: () => [cache, 0, 2],
  rowIntegers: () => [cache, 0, 2, 1],
  tableChild: () => [cache, 0, 2, 1],
  schemaRoots: () => [cache, 0, 2, 10],
  btreeChildren: () => [cache, 0, 2, 10],
  viewFacts: () => [replica, view],
  publishView: () => [replica, view],
  openHydrated: () => [replica, 'other', 'other.tmp', PAGE_SIZE, true],
  sharingViews: () => [replica, hydrated],
  sharedPages: () => [replica, hydrated],
  resizeHydrated: () => [hydrated, 20],
  hydratedIntact: () => [hydrated],
  writeHydrated: () => [hydrated, frame, Uint32Array.of(0, frameSize, 2, 1)],
  syncHydrated: () => [hydrated],
  markHydrated: () => [replica, view, Uint32Array.of(2)],
  unmarkHydrated: () => [replica, view, Uint32Array.of(2)],
  retireView: () => [replica, view],
  collectViews: () => [replica],
  closeHydrated: () => [hydrated],
  releaseReplica: () => [replica],
}

const HOSTILE: readonly unknown[] = [
  undefined,
  null,
  true,
  'text',
  '',
  {},
  [],
  [1],
  Symbol('s'),
  () => undefined,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  -0,
  -1,
  0.5,
  3,
  1000,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53,
  1e300,
  -1n,
  2n ** 64n,
  new ArrayBuffer(0),
  new DataView(new ArrayBuffer(8)),
  new Uint8Array(0),
  new Uint8Array(1),
  new Uint8Array(100_001),
  new Uint8Array(65).subarray(1),
  new Int8Array(100_000),
  new Uint32Array(0),
  new Uint32Array(1),
  new Uint32Array(1000).fill(0xffffffff),
  new Float64Array(0),
  new Float64Array(100).fill(Number.NaN),
  new Float64Array(100).fill(-1),
  new Float64Array(100).fill(2 ** 53),
  new BigUint64Array(0),
  cache,
  hydrated,
  source,
]

const call = native as unknown as Record<string, (...args: unknown[]) => unknown>
const pending: Promise<unknown>[] = []

function attempt(name: string, args: unknown[]): void {
  try {
    const result = call[name]!(...args)
    if (result instanceof Promise) pending.push(result)
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) return
    throw new Error(`${name}: ${String(error)}`)
  }
}

function* replacements(args: unknown[]): Generator<unknown[]> {
  for (const [i, valid] of args.entries()) {
    for (const hostile of HOSTILE) {
      yield args.with(i, hostile)
      if (valid === null || typeof valid !== 'object' || Object.getPrototypeOf(valid) !== Object.prototype) continue
      for (const key of Object.keys(valid)) yield args.with(i, { ...valid, [key]: hostile })
    }
  }
  for (const hostile of HOSTILE) yield args.map(() => hostile)
  yield []
}

for (const [name, valid] of Object.entries(VALID)) {
  const result = call[name]!(...valid())
  if (result instanceof Promise) pending.push(result)
  const count = [...replacements(valid())].length
  for (let i = 0; i < count; i++) attempt(name, [...replacements(valid())][i]!)
}

// Calls readCommit with invalid arguments only, because only a connection that waits for its commit
// has pages to read.
for (const args of replacements([undefined, 0, 1, new Uint8Array(PAGE_SIZE)])) attempt('readCommit', args)

const mergerArgs = (): unknown[] => [
  PAGE_SIZE,
  10,
  false,
  0n,
  100,
  [{ commit: 10, snapshot: false, crc: 0n, offset: 100 }],
]
const Merger = native.FrameMerger as unknown as new (
  ...args: unknown[]
) => Record<string, (...args: unknown[]) => unknown>
function merge(constructorArgs: unknown[], method: string, args: unknown[]): void {
  try {
    new Merger(...constructorArgs)[method]!(...args)
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error
  }
}
const stepArgs = (): unknown[] => [[frame.subarray(0, frameSize)], new Uint8Array(2000), new Float64Array(8)]
merge(mergerArgs(), 'step', stepArgs())
for (const args of replacements(mergerArgs())) merge(args, 'step', stepArgs())
for (const input of HOSTILE) merge(mergerArgs().with(5, [input]), 'step', stepArgs())
for (const key of ['commit', 'snapshot', 'crc', 'offset']) {
  for (const hostile of HOSTILE) {
    const input = { commit: 10, snapshot: false, crc: 0n, offset: 100, [key]: hostile }
    merge(mergerArgs().with(5, [input]), 'step', stepArgs())
  }
}
for (const args of replacements(stepArgs())) merge(mergerArgs(), 'step', args)
for (const args of replacements([0])) merge(mergerArgs(), 'input', args)
for (const bytes of HOSTILE) merge(mergerArgs(), 'step', stepArgs().with(0, [bytes]))

await Promise.allSettled(pending)
console.log(JSON.stringify([...Object.keys(VALID), 'FrameMerger', 'readCommit'].sort()))
process.exit(0)
