import type { Cell, Result } from './result.js'
import { isSpread } from './stats.js'

type Row = Readonly<Record<string, Cell>>

/**
 * A goal of the project: the result that shows it, and the figure of each matching row that is
 * compared with the bound.
 */
export interface Goal {
  readonly text: string
  readonly result: string
  readonly table: string
  readonly where: (row: Row) => boolean
  readonly value: (row: Row) => number
  /** At most, unless `atLeast`. Of several rows the worst one counts. */
  readonly bound: number
  readonly atLeast?: boolean
  /** Why it may be missed; the document prints it only if the goal is missed. */
  readonly why?: string
}

/** The middle of a cell. */
export function middle(cell: Cell | undefined): number {
  return isSpread(cell) ? cell.median : typeof cell === 'number' ? cell : Number.NaN
}

const of = (key: string) => (row: Row) => middle(row[key])
const megabytes = (key: string) => (row: Row) => middle(row[key]) / 1e6
const share = (a: string, b: string) => (row: Row) => middle(row[a]) / middle(row[b])
const NODE_MEMORY =
  'An empty Node.js process uses two thirds as much memory as this primary. Most of this memory consists of pages of the executable, which all Node.js processes share. A primary also uses the compiler, OpenSSL, the timers and the sockets of the executable, which an empty process does not use.'
const SMALL_SYNCS =
  'Once a second, a sync of the primary reads and encodes the frames and makes four small writes durable with fsync. The system calls of a sync take most of the processor time.'
const NODE_START =
  'The start of Node.js takes most of the time of a short command, and takes twice as long if other processes use the same processor cores.'
const JOINS = ['post + user', 'profile', 'who liked', 'mutual friends']

const THREADS =
  'Two readers, their worker and the other processes of the machine share the cores. The local file in the same table shows the highest ratio that the machine allows.'
const POINT =
  'A point query reads only a few pages, and the rows to which an index refers are scattered over the table, so every page costs one GET. The replica worker sends the GETs in parallel, which reduces the round trips and the time, but not the number of GETs.'
const FRESH =
  'A large part of this time is the start of a thread, which Node 20 boots without a snapshot; the table contains the start of an empty thread, measured in the same rounds. For S3, the process also loads and runs the used part of the AWS SDK for the first time: about 430 KB of JavaScript.'
const SCAN =
  'A scan reads the root, an interior page and the first leaf one after another before it can read ahead. For a small table, these round trips are most of the time.'
const MILLION =
  'The figure includes the worker thread and the client of the store, which do not grow. The page index grows, and so do the buffers from which it is built.'
const CROWDED =
  'Without latency, the store, the proxy and the hydration compete with the reader for both cores of the machine. The rows with latency, in which hydration is as fast or faster, show the cost of hydration itself for a reader.'
const ENCODING =
  'The processor limits the speed of a sync, because LZ4 takes most of the time, although all idle cores compress in parallel. The table of the sync also contains the speed of the encoding on one core, and the speed of a plain write. The disk limits the plain write.'
const RESTORING =
  'The processor and the disk limit the speed of a restore, because its threads read, decompress (LZ4), check and write every page. The table of the restore also contains a plain copy with an fsync.'
const CORES = 'The application and its replication share two cores.'

/**
 * In the order of the document. Each is named in one of the issues on the replica, the primary or
 * compaction and restore.
 */
export const GOALS: readonly Goal[] = [
  {
    text: 'Warm lookup, autocommit: replica / local file',
    ...{ result: 'warm', table: 'warm', bound: 1, value: of('ratio') },
    where: (row) => row.mode === 'autocommit' && row.query === 'lookup',
  },
  {
    text: 'Warm lookup in a transaction: replica / local file',
    ...{ result: 'warm', table: 'warm', bound: 1, value: of('ratio') },
    where: (row) => row.mode === 'transaction' && row.query === 'lookup',
  },
  {
    text: 'Warm full scan: replica / local file',
    ...{ result: 'warm', table: 'warm', bound: 1.15, value: of('ratio') },
    where: (row) => row.query === 'full scan',
  },
  {
    text: 'Crossings into JavaScript when warm',
    ...{ result: 'warm', table: 'warm', bound: 0, value: of('crossings') },
    where: () => true,
  },
  {
    text: 'System calls of a warm query, without those of the garbage collector',
    ...{ result: 'syscalls', table: 'calls', bound: 0, value: (row: Row) => Math.floor(middle(row.replica)) },
    where: () => true,
  },
  {
    text: 'Warm lookup on 1.5 GB, autocommit: replica / local file',
    ...{ result: 'size', table: 'warm', bound: 1, value: of('ratio') },
    where: (row) => row.query === 'lookup' && Number(row.size) > 1e9,
  },
  {
    text: 'Two reader threads / one, the worst query',
    ...{ result: 'threads', table: 'threads', bound: 1.8, atLeast: true, value: of('ratio'), why: THREADS },
    where: (row) => row.subject === 'replica',
  },
  {
    text: 'Round trips to the first row, including the one for the first page',
    ...{ result: 'open', table: 'first-row', bound: 4, value: of('rounds') },
    where: (row) => Number(row.latency) >= 20,
  },
  {
    text: 'Requests of a second connection in the process',
    ...{ result: 'open', table: 'first-row', bound: 1, value: of('secondRequests') },
    where: () => true,
  },
  {
    text: 'Round trips to the first row after a restart with the disk cache',
    ...{ result: 'open', table: 'restart', bound: 1, value: of('rounds') },
    where: () => true,
  },
  {
    text: 'Import and first open in a fresh process, file://, ms',
    ...{ result: 'start', table: 'start', bound: 150, value: of('all'), why: FRESH },
    where: (row) => row.store === 'file',
  },
  {
    text: 'Import and first open in a fresh process, S3, without the round trips, ms',
    ...{ result: 'start', table: 'start', bound: 150, value: of('rest'), why: FRESH },
    where: (row) => row.store === 's3',
  },
  {
    text: 'GETs of a cold scan of a table of 5 MB',
    ...{ result: 'cold', table: 'queries', bound: 10, value: of('gets') },
    where: (row) => row.query === 'users scan',
  },
  {
    text: 'Cold scan / one GET of the same bytes, 20 ms',
    ...{ result: 'cold', table: 'queries', bound: 2, value: of('plainRatio'), why: SCAN },
    where: (row) => row.query === 'users scan' && row.latency === 20,
  },
  {
    text: 'Cold queries: GETs / GETs of the official VFS, 20 ms, the worst',
    ...{ result: 'cold', table: 'queries', bound: 0.5, value: share('gets', 'officialGets'), why: POINT },
    where: (row) => row.latency === 20 && row.officialGets !== null,
  },
  {
    text: 'Cold joins: GETs / GETs of the official VFS, 20 ms, the worst',
    ...{ result: 'cold', table: 'queries', bound: 0.1, value: share('gets', 'officialGets'), why: POINT },
    where: (row) => row.latency === 20 && JOINS.includes(String(row.query)),
  },
  {
    text: 'Cold scans: GETs / GETs of the official VFS, the worst',
    ...{ result: 'cold', table: 'queries', bound: 0.1, value: share('gets', 'officialGets') },
    where: (row) => String(row.query).includes('scan') && row.officialGets !== null,
  },
  {
    text: 'Hydration / plain parallel GETs, the worst latency',
    ...{ result: 'hydrate', table: 'hydrate', bound: 0.7, atLeast: true, value: of('ratio') },
    where: () => true,
  },
  {
    text: 'p99 of readers while the local copy is filled / before',
    ...{ result: 'hydrate', table: 'hydrate', bound: 3, value: of('slower'), why: CROWDED },
    where: () => true,
  },
  {
    text: 'Requests a second of a complete local copy that follows 400 changed pages a second',
    ...{ result: 'follow', table: 'follow', bound: 5, value: of('requests') },
    where: (row) => String(row.subject).startsWith('full local copy'),
  },
  {
    text: 'LISTs a minute of 32 connections on 4 threads, polling every second',
    ...{ result: 'connections', table: 'connections', bound: 76, value: of('lists') },
    where: (row) => row.subject === 'replica' && row.connections === 32,
  },
  {
    text: 'Requests an hour of an idle reader that polls after 0.9 to 1 s: one per poll',
    ...{ result: 'idle', table: 'idle', bound: 4000, value: of('requests') },
    where: (row) => row.subject === 'replica',
  },
  {
    text: 'Bytes of the page index per page',
    ...{ result: 'memory', table: 'open', bound: 16, value: of('each') },
    where: () => true,
  },
  {
    text: 'Memory of a process with an open replica of a million pages, in addition to a process without one, MB',
    ...{ result: 'memory', table: 'open', bound: 40, value: (row: Row) => middle(row.memory) / 1e6, why: MILLION },
    where: (row) => row.pages === 1_000_000,
  },
  {
    text: 'Round trips to the first row of a database of 100 GB',
    ...{ result: 'large', table: 'open', bound: 4, value: of('rounds') },
    where: (row) => middle(row.size) > 1e11,
  },
  {
    text: 'Memory of a process with an open replica of a database of 100 GB, in addition to a process without one, MB',
    ...{ result: 'large', table: 'open', bound: 64, value: megabytes('peak') },
    where: (row) => middle(row.size) > 1e11,
  },
  {
    text: 'Commit to visible over NATS, ms (with a primary that syncs every 10 ms)',
    ...{ result: 'visible', table: 'latency', bound: 200, value: of('visible') },
    where: (row) => row.store === 'nats' && row.settings !== 'default',
  },
  {
    text: 'Whole states of a reader under mixed load that were wrong',
    ...{ result: 'soak', table: 'soak', bound: 0, value: of('wrong') },
    where: () => true,
  },
  {
    text: 'Memory of that reader: last third of the time / second third',
    ...{ result: 'soak', table: 'soak', bound: 1.1, value: of('growth') },
    where: () => true,
  },
  {
    text: 'Requests an hour of an idle primary whose tasks run every second',
    ...{ result: 'idle', table: 'idle', bound: 0, value: of('requests') },
    where: (row) => row.subject === 'primary, every task each second',
  },
  {
    text: 'Memory of a primary of one idle database, MB',
    ...{ result: 'primary', table: 'process', bound: 55, value: megabytes('memory'), why: NODE_MEMORY },
    where: (row) => row.program === 'litestream-ts' && row.work === 'one idle database',
  },
  {
    text: 'Processor time of a primary at 200 transactions per second, ms per s',
    ...{ result: 'primary', table: 'process', bound: 6, value: of('cpu'), why: SMALL_SYNCS },
    where: (row) => row.program === 'litestream-ts' && row.work === '200 transactions per second',
  },
  {
    text: '`version`, from start to exit, ms',
    ...{ result: 'primary', table: 'commands', bound: 60, value: of('ours'), why: NODE_START },
    where: (row) => row.command === 'version',
  },
  {
    text: 'Processor use of 400 idle databases in one primary, % of a core, the worst store',
    ...{ result: 'databases', table: 'idle', bound: 5, value: of('cpu') },
    where: (row) => row.databases === 400,
  },
  {
    text: 'Sync of changed pages to a folder, MB/s',
    ...{ result: 'sync', table: 'sync', bound: 200, atLeast: true, value: of('rate'), why: ENCODING },
    where: (row) => row.store === 'file',
  },
  {
    text: 'Throughput of an application with replication / without, the worst store',
    ...{ result: 'application', table: 'throughput', bound: 0.9, atLeast: true, value: of('ratio'), why: CORES },
    where: (row) => String(row.subject).startsWith('litestream-ts'),
  },
  {
    text: 'Merging LTX files / LZ4 and CRC alone, the worst number of files',
    ...{ result: 'compaction', table: 'merge', bound: 0.6, atLeast: true, value: of('ratio') },
    where: () => true,
  },
  {
    text: 'Restore from a folder, 512 MiB and more, MB/s',
    ...{ result: 'restore', table: 'restore', bound: 300, atLeast: true, value: of('rate'), why: RESTORING },
    where: (row) => Number(row.size) >= 512 * 1024 * 1024,
  },
]

export interface JudgedGoal {
  readonly goal: Goal
  /** Of the worst row; NaN where no row fits. */
  readonly measured: number
  readonly met: boolean
}

export function judge(goal: Goal, result: Result): JudgedGoal {
  const rows = result.tables.find(({ id }) => id === goal.table)?.rows.filter(goal.where) ?? []
  const values = rows.map(goal.value).filter((value) => !Number.isNaN(value))
  const measured = values.length === 0 ? Number.NaN : goal.atLeast ? Math.min(...values) : Math.max(...values)
  return { goal, measured, met: goal.atLeast ? measured >= goal.bound : measured <= goal.bound }
}
