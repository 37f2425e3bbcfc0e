import { formatNumber, heading } from './format.js'
import type { Cell, Column, Plot, ResultTable, Unit } from './result.js'
import { isSpread } from './stats.js'

const WIDTH = 640
const HEIGHT = 360
const MARGIN = { top: 40, right: 170, bottom: 48, left: 72 }
const COLOURS = ['#0b6e99', '#d9480f', '#2b8a3e', '#862e9c', '#5c5f66', '#c2255c', '#846358', '#1864ab']

interface Line {
  readonly label: string
  readonly points: readonly { x: number; y: number; low: number; high: number }[]
}

/** A line chart of a table as an SVG document: medians, with the spread as a thin bar. */
export function plotTable(table: ResultTable, plot: Plot): string {
  const column = (key: string) => table.columns.find((one) => one.key === key)!
  const lines = linesOf(table, plot, column)
  const points = lines.flatMap((line) => line.points)
  const first = column(plot.y[0]!)
  const x = axis(
    points.map((point) => point.x),
    MARGIN.left,
    WIDTH - MARGIN.right,
    column(plot.x).unit,
  )
  const y = axis(
    points.flatMap((point) => [point.low, point.high]),
    HEIGHT - MARGIN.bottom,
    MARGIN.top,
    first.unit,
    plot.log,
  )
  const unit = { ms: 'ms', us: 'µs', s: 's', 'MB/s': 'MB/s' }[first.unit as string]
  const title = unit === undefined || plot.title.includes(`, ${unit}`) ? plot.title : `${plot.title}, ${unit}`
  const parts = [
    `<text x="${MARGIN.left}" y="20" font-size="14" font-weight="bold">${escapeXml(title)}</text>`,
    `<text x="${(MARGIN.left + WIDTH - MARGIN.right) / 2}" y="${HEIGHT - 10}" text-anchor="middle">${escapeXml(heading(column(plot.x)))}</text>`,
    ...x.ticks.map(
      (tick) =>
        `<text x="${x.at(tick)}" y="${HEIGHT - MARGIN.bottom + 18}" text-anchor="middle">${formatNumber(tick, column(plot.x).unit === 'bytes' ? 'bytes' : 'count')}</text>`,
    ),
    ...y.ticks.flatMap((tick) => [
      `<line x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${y.at(tick)}" y2="${y.at(tick)}" stroke="#ddd"/>`,
      `<text x="${MARGIN.left - 8}" y="${y.at(tick) + 4}" text-anchor="end">${formatNumber(tick, first.unit)}</text>`,
    ]),
    ...lines.flatMap((line, i) => draw(line, i, x.at, y.at)),
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">
<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>
${parts.join('\n')}
</svg>
`
}

function linesOf(table: ResultTable, { x, y, by, where = {} }: Plot, column: (key: string) => Column): Line[] {
  const rows = table.rows.filter((row) => Object.entries(where).every(([key, value]) => row[key] === value))
  const groups = by === undefined ? [undefined] : [...new Set(rows.map((row) => row[by]))]
  return groups.flatMap((group) =>
    y.map((key) => ({
      label: [group, y.length > 1 || group === undefined ? column(key).label : undefined].filter(Boolean).join(', '),
      points: rows
        .filter((row) => by === undefined || row[by] === group)
        .map((row) => ({ x: number(row[x]), ...range(row[key]) }))
        .filter((point) => Number.isFinite(point.x) && Number.isFinite(point.y)),
    })),
  )
}

function number(cell: Cell | undefined): number {
  return isSpread(cell) ? cell.median : typeof cell === 'number' ? cell : Number.NaN
}

function range(cell: Cell | undefined): { y: number; low: number; high: number } {
  if (isSpread(cell)) return { y: cell.median, low: cell.low, high: cell.high }
  return { y: number(cell), low: number(cell), high: number(cell) }
}

function draw({ label, points }: Line, i: number, x: (v: number) => number, y: (v: number) => number): string[] {
  const colour = COLOURS[i % COLOURS.length]!
  const legend = MARGIN.top + 8 + i * 18
  return [
    `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${points.map((p) => `${x(p.x)},${y(p.y)}`).join(' ')}"/>`,
    ...points.flatMap((p) => [
      `<circle cx="${x(p.x)}" cy="${y(p.y)}" r="3" fill="${colour}"/>`,
      `<line x1="${x(p.x)}" x2="${x(p.x)}" y1="${y(p.low)}" y2="${y(p.high)}" stroke="${colour}"/>`,
    ]),
    `<line x1="${WIDTH - MARGIN.right + 10}" x2="${WIDTH - MARGIN.right + 28}" y1="${legend - 4}" y2="${legend - 4}" stroke="${colour}" stroke-width="2"/>`,
    `<text x="${WIDTH - MARGIN.right + 34}" y="${legend}">${escapeXml(label)}</text>`,
  ]
}

interface Axis {
  readonly ticks: readonly number[]
  readonly at: (value: number) => number
}

/** From 0 (or a power of ten when logarithmic) to a round number above the largest value. */
function axis(values: readonly number[], from: number, to: number, unit: Unit, log = false): Axis {
  const largest = Math.max(...values, log ? 1e-6 : 0)
  const place = (share: number) => Math.round((from + (to - from) * share) * 10) / 10
  if (log) {
    const smallest = Math.min(...values.filter((value) => value > 0), largest)
    const [low, high] = [
      Math.floor(Math.log10(smallest)),
      Math.max(Math.ceil(Math.log10(largest)), Math.floor(Math.log10(smallest)) + 1),
    ]
    const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i))
    return { ticks, at: (value) => place((Math.log10(Math.max(value, 10 ** low)) - low) / (high - low)) }
  }
  const rough = (largest || 1) / 4
  // Bytes are written in powers of 1,024: their round numbers are powers of 2.
  const power = unit === 'bytes' ? 2 ** Math.floor(Math.log2(rough)) : 10 ** Math.floor(Math.log10(rough))
  const step = (unit === 'bytes' ? [1, 2] : [1, 2, 2.5, 5, 10])
    .map((factor) => factor * power)
    .find((one) => one >= rough)!
  const count = Math.ceil((largest || 1) / step)
  return {
    ticks: Array.from({ length: count + 1 }, (_, i) => i * step),
    at: (value) => place(value / (count * step)),
  }
}

function escapeXml(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;')
}
