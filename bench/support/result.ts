import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { packageRoot } from '../../src/package-files.js'
import type { Machine } from './machine.js'
import type { Spread } from './stats.js'

export type Cell = string | number | Spread | null

/**
 * How a column's figures are to be read: `us`, `ms` and `s` are times, `x` a ratio, `count` exact.
 */
export type Unit = 'text' | 'us' | 'ms' | 's' | 'x' | 'count' | 'bytes' | 'MB/s' | 'per s' | '%'

export interface Column {
  readonly key: string
  readonly label: string
  readonly unit: Unit
}

/**
 * A picture of a table: `x` is one of its columns, each of `y` becomes a line (or one line a value
 * of `by`).
 */
export interface Plot {
  readonly title: string
  readonly x: string
  readonly y: readonly string[]
  /** The column whose values split the rows into lines. */
  readonly by?: string
  /** Only rows in which these columns have these values. */
  readonly where?: Readonly<Record<string, Cell>>
  readonly log?: boolean
}

export interface ResultTable {
  /** Names the table within its question. */
  readonly id: string
  readonly title: string
  readonly columns: readonly Column[]
  readonly rows: readonly Readonly<Record<string, Cell>>[]
  /** Information that a reader of the figures needs. */
  readonly notes?: readonly string[]
  readonly plots?: readonly Plot[]
}

export interface Result {
  readonly name: string
  readonly question: string
  /** The limiting factor of the figures, in a sentence. */
  readonly limit: string
  readonly machine: Machine
  /** ISO 8601. */
  readonly date: string
  readonly quick: boolean
  readonly tables: readonly ResultTable[]
}

export function resultsDirectory(): string {
  return path.join(packageRoot(), 'bench', 'results')
}

export function writeResult(result: Result): string {
  const file = path.join(resultsDirectory(), `${result.name}.json`)
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify(result, undefined, 1)}\n`)
  return file
}

export function readResult(name: string): Result {
  return JSON.parse(readFileSync(path.join(resultsDirectory(), `${name}.json`), 'utf8'))
}
