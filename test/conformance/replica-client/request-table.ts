import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { Operation, OperationStats, ReplicaClient } from '../../../src/storage/replica-client.js'
import { collect } from '../../support/collect.js'
import { file, inPieces, testBytes } from './bytes.js'
import { type Backend, clientsAt } from './place.js'

const MiB = 1024 * 1024
const DOCUMENT = new URL('../../../../docs/storage.md', import.meta.url)

interface Step {
  /** As the first column of the table has it. */
  readonly row: string
  act(client: ReplicaClient): Promise<unknown>
}

/** In this order: each finds what those before it left. */
const STEPS: readonly Step[] = [
  { row: 'write a file of 4 KiB', act: (c) => c.write(file(1), testBytes(4096), { timestamp: 1, createOnly: true }) },
  {
    row: 'write a file of 1 MiB',
    act: (c) => c.write(file(2), inPieces(testBytes(MiB), 100_000), { timestamp: 1, createOnly: true }),
  },
  { row: 'list a level', act: (c) => collect(c.list(0)) },
  { row: 'list it again, nothing new', act: (c) => collect(c.list(0, { fromTxid: 2 })) },
  { row: 'read 4 KiB of a small file', act: (c) => c.read(file(1), { offset: 0, length: 4096 }) },
  { row: 'read the last 64 KiB of a large file', act: (c) => c.read(file(2), { suffix: 65_536 }) },
  { row: 'read 4 KiB of a large file', act: (c) => c.read(file(2), { offset: 500_000, length: 4096 }) },
  { row: 'stream a file of 1 MiB', act: (c) => collect(c.stream(file(2))) },
  { row: 'stat', act: (c) => c.stat(file(1)) },
  { row: 'read the lease', act: (c) => c.getObject('lock.json') },
  { row: 'take the lease', act: (c) => c.putObject('lock.json', testBytes(200), null) },
  { row: 'renew the lease', act: async (c) => c.putObject('lock.json', testBytes(200), tags.get(c)!) },
  { row: 'delete 10 files', act: (c) => c.delete(Array.from({ length: 10 }, (_, i) => file(i + 101))) },
]

const tags = new WeakMap<ReplicaClient, string>()

/** What the table of docs/storage.md says a step costs on a backend, such as "1 PUT, 2 GET". */
export function requestTable(backend: Backend): void {
  test(`${backend.name}: each operation sends the requests that docs/storage.md lists`, async (t) => {
    const open = await clientsAt(t, backend)
    const [writer, reader] = [await open(), await open()]
    for (let txid = 101; txid <= 110; txid++) await writer.write(file(txid), testBytes(4096), { timestamp: 1 })
    // The first deletion may clear away what dead writers left.
    await writer.delete([file(999)])
    // A client learns with its first change of a lease how its store wants versions spelled.
    const tag = await writer.putObject('other.json', testBytes(1), null)
    await writer.putObject('other.json', testBytes(2), tag)
    const found: Record<string, string> = {}
    for (const { row, act } of STEPS) {
      // A separate reader, which has not cached the file that the writer has just written.
      const client = /^(list|read|stream|stat)/.test(row) ? reader : writer
      const before = client.stats()
      const result = await act(client)
      if (typeof result === 'string') tags.set(client, result)
      found[row] = difference(before, client.stats())
    }
    assert.deepEqual(found, documented(backend.name))
  })
}

type Stats = Readonly<Record<Operation, OperationStats>>

function difference(before: Stats, after: Stats): string {
  const parts = (Object.keys(after) as Operation[])
    .map((operation) => ({ operation, count: after[operation].requests - before[operation].requests }))
    .filter(({ count }) => count > 0)
  return parts.map(({ operation, count }) => `${count} ${operation}`).join(', ')
}

function documented(backend: Backend['name']): Record<string, string> {
  const lines = readFileSync(DOCUMENT, 'utf8').split('\n')
  const cells = (line: string) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim())
  const head = lines.findIndex((line) => line.startsWith('| operation ') && cells(line).includes(backend))
  const column = cells(lines[head]!).indexOf(backend)
  const rows: Record<string, string> = {}
  for (let i = head + 2; lines[i]?.startsWith('|'); i++) rows[cells(lines[i]!)[0]!] = cells(lines[i]!)[column]!
  return rows
}
