import type { Cell, Result } from './result.js'
import { isSpread } from './stats.js'

type Row = Readonly<Record<string, Cell>>

/** A figure that the project set out to reach. Which result shows it, and what of each fitting row is compared with the bound. */
export interface Goal {
  readonly text: string
  readonly result: string
  readonly table: string
  readonly where: (row: Row) => boolean
  readonly value: (row: Row) => number
  /** At most, unless `atLeast`. Of several rows the worst one counts. */
  readonly bound: number
  readonly atLeast?: boolean
}

/** The middle of a cell. */
export function middle(cell: Cell | undefined): number {
  return isSpread(cell) ? cell.median : typeof cell === 'number' ? cell : Number.NaN
}

const of = (key: string) => (row: Row) => middle(row[key])
const share = (a: string, b: string) => (row: Row) => middle(row[a]) / middle(row[b])
const JOINS = ['post + user', 'profile', 'who liked', 'mutual friends']

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
    text: 'Two reader threads / one',
    ...{ result: 'threads', table: 'threads', bound: 1.8, atLeast: true, value: of('ratio') },
    where: (row) => row.subject === 'replica',
  },
  {
    text: 'Round trips to the first row, the first page being the last of them',
    ...{ result: 'open', table: 'first-row', bound: 4, value: of('rounds') },
    where: (row) => Number(row.latency) >= 20,
  },
  {
    text: 'Requests of a second connection in the process',
    ...{ result: 'open', table: 'first-row', bound: 1, value: of('secondRequests') },
    where: () => true,
  },
  {
    text: 'Import and first open in a fresh process, file://, ms',
    ...{ result: 'start', table: 'start', bound: 150, value: of('all') },
    where: (row) => row.store === 'file',
  },
  {
    text: 'GETs of a cold scan of a table of 5 MB',
    ...{ result: 'cold', table: 'queries', bound: 10, value: of('gets') },
    where: (row) => row.query === 'users scan',
  },
  {
    text: 'Cold scan / one GET of the same bytes, 20 ms',
    ...{ result: 'cold', table: 'queries', bound: 2, value: of('plainRatio') },
    where: (row) => row.query === 'users scan' && row.latency === 20,
  },
  {
    text: "Cold queries: GETs / the official VFS's, 20 ms, the worst",
    ...{ result: 'cold', table: 'queries', bound: 0.5, value: share('gets', 'officialGets') },
    where: (row) => row.latency === 20 && row.officialGets !== null,
  },
  {
    text: "Cold joins: GETs / the official VFS's, 20 ms, the worst",
    ...{ result: 'cold', table: 'queries', bound: 0.1, value: share('gets', 'officialGets') },
    where: (row) => row.latency === 20 && JOINS.includes(String(row.query)),
  },
  {
    text: "Cold scans: GETs / the official VFS's, the worst",
    ...{ result: 'cold', table: 'queries', bound: 0.1, value: share('gets', 'officialGets') },
    where: (row) => String(row.query).includes('scan') && row.officialGets !== null,
  },
  {
    text: 'Hydration / plain parallel GETs, the worst latency',
    ...{ result: 'hydrate', table: 'hydrate', bound: 0.7, atLeast: true, value: of('ratio') },
    where: () => true,
  },
  {
    text: "Readers' p99 while the copy fills in / before",
    ...{ result: 'hydrate', table: 'hydrate', bound: 3, value: of('slower') },
    where: () => true,
  },
  {
    text: 'LISTs a minute of 32 connections on 4 threads, polling every second',
    ...{ result: 'connections', table: 'connections', bound: 76, value: of('lists') },
    where: (row) => row.subject === 'replica' && row.connections === 32,
  },
  {
    text: 'Requests an hour of an idle primary',
    ...{ result: 'idle', table: 'idle', bound: 0, value: of('requests') },
    where: (row) => row.subject === 'primary',
  },
  {
    text: 'Index bytes a page',
    ...{ result: 'memory', table: 'open', bound: 16, value: of('each') },
    where: () => true,
  },
  {
    text: 'Memory of a replica of a million pages over an unopened process, MB',
    ...{ result: 'memory', table: 'open', bound: 40, value: (row: Row) => middle(row.memory) / 1e6 },
    where: (row) => row.pages === 1_000_000,
  },
  {
    text: 'Commit to visible over NATS, ms (with a primary that syncs every 10 ms)',
    ...{ result: 'visible', table: 'latency', bound: 200, value: of('visible') },
    where: (row) => row.store === 'nats' && row.settings !== 'default',
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
