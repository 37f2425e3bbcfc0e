import uPlot from 'uplot'
import { element } from './dom.js'
import { clock } from './format.js'

export interface ChartOptions {
  readonly title: string
  /** Formats a value of the chart's series as text. */
  readonly format: (value: number) => string
  readonly kind: 'line' | 'bars'
  /**
   * Smallest upper end of the chart's vertical axis, so that small noise does not fill the chart.
   */
  readonly least: number
}

const HEIGHT = 120
/** Possible distances between two labels of the horizontal axis, in seconds. */
const MINUTES = [60, 120, 300, 600]

/**
 * A chart of one series over time. The chart redraws itself when its width or the browser's colour
 * scheme changes.
 */
export class Chart {
  readonly node: HTMLElement
  readonly #options: ChartOptions
  readonly #value = element('span', {})
  readonly #canvas = element('div', { class: 'plot' })
  #plot: uPlot | undefined
  #data: [number[], number[]] = [[], []]

  constructor(options: ChartOptions) {
    this.#options = options
    this.node = element('figure', {}, element('figcaption', {}, options.title, this.#value), this.#canvas)
    new ResizeObserver(() => this.#resize()).observe(this.#canvas)
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#draw())
  }

  /** `times` are milliseconds since the epoch in ascending order. */
  show(times: readonly number[], values: readonly number[]): void {
    this.#data = [times.map((time) => time / 1000), [...values]]
    if (this.#plot) this.#plot.setData(this.#data)
    else this.#draw()
    this.#describe()
  }

  #describe(): void {
    const { title, format } = this.#options
    const values = this.#data[1]
    const most = values.length === 0 ? 0 : Math.max(...values)
    const text = `at most ${format(most)}`
    this.#value.textContent = text
    this.#canvas.setAttribute('role', 'img')
    this.#canvas.setAttribute('aria-label', `${title} of the last half hour: ${text}`)
  }

  #resize(): void {
    const width = this.#canvas.clientWidth
    if (width === 0) return
    if (this.#plot) this.#plot.setSize({ width, height: HEIGHT })
    else this.#draw()
  }

  #draw(): void {
    this.#plot?.destroy()
    this.#plot = undefined
    const width = this.#canvas.clientWidth
    if (width === 0) return
    const styles = getComputedStyle(document.documentElement)
    const color = (name: string) => styles.getPropertyValue(name).trim()
    const { format, kind, least } = this.#options
    const axis = {
      stroke: color('--soft'),
      font: '12px system-ui, sans-serif',
      grid: { stroke: color('--line'), width: 1 },
      ticks: { show: false },
    }
    const bars = kind === 'bars' ? { paths: uPlot.paths.bars!({ size: [0.8, 8] }), fill: color('--bar'), width: 0 } : {}
    this.#plot = new uPlot(
      {
        width,
        height: HEIGHT,
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false } },
        scales: { y: { range: (_plot, _min, max) => [0, Math.max(least, max) * 1.05] } },
        axes: [
          {
            ...axis,
            size: 26,
            space: 60,
            incrs: MINUTES,
            grid: { show: false },
            values: (_plot, splits) => splits.map((time) => clock(time * 1000)),
          },
          { ...axis, size: 64, space: 30, values: (_plot, splits) => splits.map(format) },
        ],
        series: [{}, { stroke: color('--bar'), fill: color('--area'), width: 1.5, points: { show: false }, ...bars }],
        hooks: { setCursor: [(plot) => this.#point(plot.cursor.idx)] },
      },
      this.#data,
      this.#canvas,
    )
  }

  #point(index: number | null | undefined): void {
    const [times, values] = this.#data
    if (index === null || index === undefined || values[index] === undefined) this.#describe()
    else this.#value.textContent = `${this.#options.format(values[index])} at ${clock(times[index]! * 1000)}`
  }
}
