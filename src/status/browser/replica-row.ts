import type { ReplicaStatus } from '../document.js'
import { Chart } from './chart.js'
import { element, figure, fill } from './dom.js'
import { ago, bytes, count, duration, moment, txid } from './format.js'

/** The row on the status page for one replica that the process reads. */
export class ReplicaRow {
  readonly node: HTMLElement
  readonly #head = element('div', { class: 'line' })
  readonly #figures = element('dl')
  readonly #lag = new Chart({
    title: 'Time since the last successful poll',
    format: duration,
    kind: 'line',
    least: 1000,
  })

  constructor({ url }: ReplicaStatus) {
    const charts = element('div', { class: 'charts' }, this.#lag.node)
    const details = element('div', { class: 'details' }, element('section', {}, this.#figures, charts))
    this.node = element('article', { 'data-replica': url }, this.#head, details)
  }

  update(replica: ReplicaStatus, now: number): void {
    const severity = replica.ok ? 'ok' : 'bad'
    this.node.className = `card ${severity}`
    fill(this.#head, [replica.url, severity], () => [
      element('span', { class: `dot ${severity}`, 'aria-hidden': 'true' }),
      element('span', { class: 'name' }, element('b', {}, replica.url)),
      element('span', { class: `label ${severity}` }, replica.ok ? 'reading' : 'behind'),
    ])
    fill(this.#figures, { ...replica, lagHistory: [], now: Math.floor(now / 5000) }, () => figures(replica, now))
    if (replica.lagHistory.length < 2) return
    this.#lag.show(
      replica.lagHistory.map(([at]) => at),
      replica.lagHistory.map(([, lag]) => lag),
    )
  }
}

function figures(replica: ReplicaStatus, now: number) {
  const { hits, misses, pagesAhead, pagesWanted, hydration } = replica
  const reads = hits + misses
  return [
    figure('State', moment(replica.timestamp, now), `written ${ago(replica.timestamp, now)}`),
    figure('Last successful poll', `${duration(replica.lagMs)} ago`),
    figure('Connections', count(replica.connections)),
    figure('Database', bytes(replica.databaseSize), `${bytes(replica.cacheBytes)} in memory`),
    figure('Local copy', hydration === 0 ? 'none' : `${(hydration * 100).toFixed(1)} %`),
    figure(
      'Reads from memory',
      reads === 0 ? '–' : `${((hits / reads) * 100).toFixed(1)} %`,
      `${count(hits)} of ${count(reads)}`,
    ),
    figure('Requests', count(replica.requests), bytes(replica.fetchedBytes)),
    figure('Prefetched pages', count(pagesAhead), `of ${count(pagesAhead + pagesWanted)} fetched`),
    figure('TXID', element('span', { class: 'hex' }, txid(replica.txid))),
  ]
}
