import { formatBytes } from '../../src/util/format-bytes.js'
import type { Cell, Column, ResultTable, Unit } from './result.js'
import { isSpread } from './stats.js'

/** A number with its significant digits only. */
export function formatNumber(value: number, unit: Unit): string {
  if (unit === 'bytes') return value < 0 ? `-${formatBytes(-value)}` : formatBytes(value)
  if (unit === 'count') return Number.isInteger(value) ? value.toLocaleString('en') : value.toFixed(1)
  const size = Math.abs(value)
  if (size >= 1000) return Math.round(value).toLocaleString('en')
  const text = value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2)
  return unit === '%' ? `${text} %` : unit === 'x' ? `${text}×` : text
}

export function formatCell(cell: Cell | undefined, unit: Unit): string {
  if (cell === null || cell === undefined) return '–'
  if (typeof cell === 'string') return cell
  if (typeof cell === 'number') return formatNumber(cell, unit)
  if (!isSpread(cell)) return String(cell)
  const median = formatNumber(cell.median, unit)
  if (cell.n === 1) return median
  return `${median} (${formatNumber(cell.low, unit)}–${formatNumber(cell.high, unit)})`
}

export function heading({ label, unit }: Column): string {
  return unit === 'us' ? `${label}, µs` : ['ms', 's', 'MB/s'].includes(unit) ? `${label}, ${unit}` : label
}

const isText = (column: Column) => column.unit === 'text'

/** The table as text for a terminal. */
export function formatText({ title, columns, rows, notes = [] }: ResultTable): string {
  const lines = [columns.map(heading), ...rows.map((row) => columns.map(({ key, unit }) => formatCell(row[key], unit)))]
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)))
  const body = lines.map((line) =>
    line.map((cell, i) => (isText(columns[i]!) ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
  )
  return [title, '', ...body, ...notes.map((note) => `  ${note}`), ''].join('\n')
}

/** The table as Markdown. */
export function formatMarkdown({ columns, rows, notes = [] }: ResultTable): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const table = [
    line(columns.map(heading)),
    line(columns.map((column) => (isText(column) ? '---' : '---:'))),
    ...rows.map((row) => line(columns.map(({ key, unit }) => formatCell(row[key], unit)))),
  ]
  return [...table, ...notes.flatMap((note) => ['', note])].join('\n')
}
