import type { DatabaseStatus } from '../document.js'
import { Chart } from './chart.js'
import { type Child, element, figure, fill } from './dom.js'
import { ago, bytes, count, duration, moment, money, plural, txid } from './format.js'
import { RestoreForm } from './restore-form.js'

/** The details of one database on the status page. */
export class DatabaseDetails {
  readonly node: HTMLElement
  readonly #restore = new RestoreForm()
  readonly #safety = element('dl')
  readonly #figures = element('dl')
  readonly #quiet = element('p', { class: 'soft' })
  readonly #lag = new Chart({ title: 'Lag', format: duration, kind: 'line', least: 1000 })
  readonly #uploads = new Chart({ title: 'Uploaded bytes per 5 s', format: bytes, kind: 'bars', least: 8192 })
  readonly #latency = new Chart({ title: 'Longest upload', format: duration, kind: 'line', least: 10 })
  readonly #charts = element('div', { class: 'charts' })
  readonly #levels = element('section')
  readonly #errors = element('section')

  constructor() {
    this.#charts.append(this.#lag.node, this.#uploads.node, this.#latency.node)
    this.node = element(
      'div',
      { class: 'details' },
      this.#restore.node,
      element('section', {}, element('h3', {}, 'Safety'), this.#safety),
      element('section', {}, element('h3', {}, 'Activity'), this.#figures, this.#quiet, this.#charts),
      this.#errors,
      this.#levels,
    )
  }

  update(database: DatabaseStatus, now: number): void {
    this.#restore.update(database, now)
    const minute = Math.floor(now / 5000)
    fill(this.#safety, [minute, database.snapshots, database.proof, database.mirrors, database.error], () =>
      safety(database, now),
    )
    const { activity, requests, txid: local, replicaTxid, lagMs, walSize } = database
    fill(this.#figures, [minute, activity, requests, local, replicaTxid, lagMs, walSize], () =>
      activityOf(database, now),
    )
    this.#showCharts(database)
    fill(this.#levels, database.levels, () => levelsTable(database))
    fill(this.#errors, [database.recentErrors, minute], () => recentErrors(database, now))
  }

  #showCharts(database: DatabaseStatus): void {
    const { samples, activity } = database
    const isQuiet = samples.every(([, lag, uploads]) => lag === 0 && uploads === 0)
    this.#charts.hidden = samples.length < 2 || isQuiet
    this.#quiet.hidden = !this.#charts.hidden
    if (database.state !== 'replicating') {
      this.#quiet.hidden = true
      return
    }
    const quiet =
      activity.uploads === 0
        ? 'No transaction was committed yet.'
        : 'No transaction was committed in the last half hour.'
    this.#quiet.textContent = samples.length < 2 ? 'The charts begin after a few seconds.' : quiet
    if (this.#charts.hidden) return
    const times = samples.map(([at]) => at)
    this.#lag.show(
      times,
      samples.map(([, lag]) => lag),
    )
    this.#uploads.show(
      times,
      samples.map(([, , , size]) => size),
    )
    this.#latency.show(
      times,
      samples.map(([, , , , ms]) => ms),
    )
  }
}

function safety({ snapshots, proof, proofInterval, mirrors, error, state, weakFencing }: DatabaseStatus, now: number) {
  const { last, nextAt } = snapshots
  const failed = error?.operation === 'proof' ? error : undefined
  const next = nextAt === undefined ? undefined : `next at ${moment(nextAt, now)} if a transaction was committed`
  const proved = proof ? ago(proof.at, now) : `every ${duration(proofInterval ?? 0)}, none yet`
  return [
    figure('Last snapshot', last ? `${ago(last.at, now)}, ${bytes(last.bytes)}` : 'none yet', next),
    figure(
      'Last scheduled restore',
      failed ? element('span', { class: 'bad' }, `failed ${ago(failed.since, now)}`) : proofInterval ? proved : 'off',
      failed?.message ??
        (proofInterval
          ? proof &&
            `TXID ${proof.txid.toString(16)}, restored in ${duration(proof.durationMs)}${proof.compared ? ', equal to the primary' : ''}`
          : 'set validation.restore-interval to test restores on a schedule'),
    ),
    ...mirrors.map((mirror) =>
      figure(
        'Mirror',
        mirror.txid === undefined
          ? 'no pass yet'
          : mirror.lagMs === 0
            ? 'up to date'
            : `${duration(mirror.lagMs)} behind`,
        mirror.url,
      ),
    ),
    weakFencing !== undefined && figure('Second primary', 'detected late', weakFencing),
    state === 'standby' && figure('Lease', 'held by another primary'),
  ]
}

function activityOf(database: DatabaseStatus, now: number): Child[] {
  const { activity, requests, lastSyncAt, state, missingMs } = database
  const { syncs, walBytes, uploads, uploadedBytes, uploadMs } = activity
  const isCurrent = state === 'replicating' && missingMs === undefined
  const month = requests?.month
  const { LIST = 0, GET = 0, PUT = 0, DELETE = 0, HEAD = 0 } = requests?.counts ?? {}
  return [
    figure(
      'Lag',
      duration(database.lagMs),
      lastSyncAt !== undefined && isCurrent && `complete ${ago(lastSyncAt, now)}`,
    ),
    figure('Database', bytes(database.databaseSize), `WAL ${bytes(database.walSize)}`),
    figure('Writes', plural(syncs, 'sync', 'syncs'), `${bytes(walBytes)} of WAL`),
    figure('Uploads', plural(uploads, 'file'), bytes(uploadedBytes)),
    figure(
      'Upload time',
      uploadMs.p50 === undefined ? '–' : duration(uploadMs.p50),
      uploadMs.p95 !== undefined && `95 % within ${duration(uploadMs.p95)}`,
    ),
    requests &&
      figure(
        'Requests',
        count(LIST + GET + PUT + DELETE + HEAD),
        `${count(PUT)} PUT, ${count(LIST)} LIST, ${count(GET + HEAD)} GET, ${count(DELETE)} DELETE`,
      ),
    requests &&
      figure(
        'A month at this rate',
        month
          ? month.cost === undefined
            ? plural(month.requests, 'request')
            : money(month.cost)
          : 'available after one minute',
        month?.prices && `${plural(month.requests, 'request')}, prices of ${month.prices}`,
      ),
    figure(
      'TXID',
      element('span', { class: 'hex' }, txid(database.txid)),
      database.replicaTxid === undefined
        ? 'replica not listed yet'
        : database.replicaTxid === database.txid
          ? 'the replica has this TXID'
          : `replica: ${txid(database.replicaTxid)}`,
    ),
  ]
}

function levelsTable({ levels, levelsError }: DatabaseStatus): Child[] {
  const shown = levels.filter(({ files }) => files > 0)
  const heading = element('h3', {}, 'Files in the replica')
  if (shown.length === 0) {
    return [heading, element('p', { class: 'soft' }, levelsError ?? 'The replica has no files yet.')]
  }
  const row = ({ level, files, bytes: size, minTxid, maxTxid, oldest, latest }: (typeof shown)[number]) =>
    element(
      'tr',
      {},
      element('th', { scope: 'row' }, level === 9 ? 'Snapshots' : `Level ${level}`),
      element('td', {}, count(files)),
      element('td', {}, bytes(size)),
      element('td', { class: 'hex wide' }, `${minTxid.toString(16)} – ${maxTxid.toString(16)}`),
      element('td', {}, moment(oldest)),
      element('td', {}, moment(latest)),
    )
  const head = ['', 'Files', 'Size', 'TXIDs', 'Oldest', 'Newest'].map((text, i) =>
    element('th', { scope: 'col', class: i === 3 ? 'wide' : undefined }, text),
  )
  return [
    heading,
    element(
      'div',
      { class: 'scroll' },
      element('table', {}, element('thead', {}, element('tr', {}, ...head)), element('tbody', {}, ...shown.map(row))),
    ),
  ]
}

function recentErrors({ recentErrors: errors }: DatabaseStatus, now: number): Child[] {
  if (errors.length === 0) return []
  return [
    element('h3', {}, 'Recent errors'),
    element(
      'ul',
      { class: 'errors' },
      ...errors.map(({ operation, code, message, hint, lastAt, count: times }) =>
        element(
          'li',
          {},
          element('p', {}, element('b', {}, operation), ` ${message}`),
          element('p', { class: 'hint' }, hint),
          element(
            'p',
            { class: 'soft' },
            `${code}, ${ago(lastAt, now)}${times > 1 ? `, ${plural(times, 'time')}` : ''}`,
          ),
        ),
      ),
    ),
  ]
}
