import { mergeLtx } from '../src/compaction/merge.js'
import { createSnapshot } from '../src/compaction/snapshot.js'
import { LtxEncoder } from '../src/ltx/encoder.js'
import { HEADER_SIZE } from '../src/ltx/format.js'
import { native } from '../src/native/addon.js'
import { openReplicaClient } from '../src/storage/open.js'
import { samplePages } from './support/pages.js'
import type { Bench, Question } from './support/question.js'
import type { Column, ResultTable } from './support/result.js'
import { PAGE_SIZE, sampleSizes, workOnSample } from './support/sample-replica.js'
import { ratios, spread } from './support/stats.js'

const MERGE_COLUMNS: readonly Column[] = [
  { key: 'files', label: 'files', unit: 'count' },
  { key: 'merge', label: 'merge, a core', unit: 'MB/s' },
  { key: 'decode', label: 'LZ4 + CRC alone, a core', unit: 'MB/s' },
  { key: 'ratio', label: 'merge / alone', unit: 'x' },
]

const SNAPSHOT_COLUMNS: readonly Column[] = [
  { key: 'size', label: 'database', unit: 'bytes' },
  { key: 'rate', label: 'snapshot', unit: 'MB/s' },
  { key: 'memory', label: 'memory over the start', unit: 'bytes' },
]

export const compaction: Question = {
  name: 'compaction',
  question: 'How fast does a compaction merge LTX files, and does the memory of a merge grow with the database?',
  limit:
    'A merge decompresses every page and adds the page to a checksum once, because the merge verifies its input files.',
  budget: 120,
  async run(bench) {
    const rows = []
    for (const files of bench.quick ? [2] : [1, 2, 4, 8]) rows.push(await measureMerge(bench, files))
    const snapshots = []
    for (const megabytes of sampleSizes(bench)) {
      const task = { module: import.meta.url, name: 'snapshotOnce', anew: true }
      const { size, rates, memory } = await workOnSample(bench, megabytes, task)
      snapshots.push({ size, rate: spread(rates), memory })
    }
    const tables: ResultTable[] = [
      {
        id: 'merge',
        title: 'Merging files in memory, MB of pages a second of processor time',
        columns: MERGE_COLUMNS,
        rows,
        notes: [
          'Each input file of a merge contains 160 MB of pages. Most pages are in one input file, and some pages are in several input files.',
        ],
        plots: [{ title: 'Merging, MB/s a core', x: 'files', y: ['merge', 'decode'] }],
      },
      {
        id: 'snapshot',
        title: 'A snapshot merged from the previous snapshot and ten small files, file://',
        columns: SNAPSHOT_COLUMNS,
        rows: snapshots,
        plots: [
          { title: 'Making a snapshot', x: 'size', y: ['rate'] },
          { title: 'Memory of a snapshot', x: 'size', y: ['memory'] },
        ],
      },
    ]
    return tables
  },
}

async function measureMerge(bench: Bench, count: number) {
  const pages = bench.quick ? 4000 : 40_000
  const content = samplePages(PAGE_SIZE, pages)
  // Every step has different pages.
  const files = Array.from({ length: count }, (_, i) => sampleFile(content, pages, 2 + i, 1 + (i % 4)))
  const [merges, decodes]: number[][] = [[], []]
  for (let round = bench.rounds(5, 2); round > 0; round--) {
    const rate = async (act: () => Promise<void>) => {
      const start = process.cpuUsage()
      await act()
      const { user, system } = process.cpuUsage(start)
      return (count * pages * PAGE_SIZE) / (user + system)
    }
    decodes!.push(await rate(async () => files.forEach(decodeAlone)))
    merges!.push(
      await rate(async () => {
        const { bytes } = await mergeLtx(files.map((file, i) => ({ label: `sample ${i}`, bytes: chunks(file) })))
        for await (const _ of bytes);
      }),
    )
  }
  return { files: count, merge: spread(merges!), decode: spread(decodes!), ratio: ratios(merges!, decodes!) }
}

/** A file of the pages 1, 1 + step, … */
function sampleFile(content: Uint8Array, pages: number, txid: number, step: number): Uint8Array {
  const encoder = new LtxEncoder({ pageSize: PAGE_SIZE, commit: pages * 8, minTxid: txid, maxTxid: txid })
  const pgnos = Uint32Array.from({ length: pages }, (_, i) => 1 + i * step)
  const parts = [encoder.start()]
  for (let i = 0; i < pages; i += 1000) {
    parts.push(encoder.pages(pgnos.subarray(i, i + 1000), content.subarray(i * PAGE_SIZE, (i + 1000) * PAGE_SIZE)))
  }
  return Buffer.concat([...parts, encoder.finish()])
}

/**
 * The minimum work of a verified merge: LZ4 and the CRC of every page, with all bytes in memory.
 */
function decodeAlone(file: Uint8Array): void {
  const batch = 256
  const pages = new Uint8Array(batch * PAGE_SIZE)
  const [pgnos, sizes] = [new Uint32Array(batch), new Uint32Array(batch)]
  const [state, result] = [new BigUint64Array(2), new Float64Array(2)]
  for (let at = HEADER_SIZE; ; at += result[1]!) {
    const status = native.decodeFrames(state, PAGE_SIZE, file.subarray(at), pgnos, sizes, pages, false, result)
    if (status === native.constants.decode.end) return
    if (status !== native.constants.decode.more || result[0] === 0) throw new Error(`the sample is damaged at ${at}`)
  }
}

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 256 * 1024) yield bytes.subarray(at, at + 256 * 1024)
}

/** Seconds. Runs in a separate process. */
export async function snapshotOnce(url: string): Promise<number> {
  const client = await openReplicaClient(url)
  const start = performance.now()
  await createSnapshot(client)
  const seconds = (performance.now() - start) / 1000
  await client.close()
  return seconds
}
