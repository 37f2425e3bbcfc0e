import type { DatabaseStatus } from '../document.js'
import { DatabaseDetails } from './database-details.js'
import { type Child, element, fill } from './dom.js'
import { bytes, duration, moment, splitPath } from './format.js'

export type Severity = 'bad' | 'warn' | 'ok'

/**
 * Returns the severity with which the status page shows a database. A database needs attention
 * unless it is replicated, is a standby, or was stopped by a user.
 */
export function severityOf({ ok, label }: Pick<DatabaseStatus, 'ok' | 'label'>): Severity {
  if (!ok) return 'bad'
  return label === 'replicating' || label === 'standby' ? 'ok' : 'warn'
}

/**
 * The row of one database on the status page. The row consists of a line, the fault if the database
 * has one, and details that a user can open.
 */
export class DatabaseRow {
  readonly node: HTMLElement
  readonly #button = element('button', { type: 'button', class: 'line', 'aria-expanded': 'false' })
  readonly #alert = element('div', { class: 'alert', role: 'alert' })
  readonly #place = element('div')
  #details: DatabaseDetails | undefined
  #database: DatabaseStatus
  #isOpen = false
  #now = Date.now()

  /** Calls `onToggle` when a user opens or closes the row. */
  constructor(database: DatabaseStatus, onToggle: () => void) {
    this.#database = database
    this.node = element('article', { 'data-db': database.path }, this.#button, this.#alert, this.#place)
    this.#button.addEventListener('click', () => {
      this.open(!this.#isOpen)
      onToggle()
    })
  }

  get database(): DatabaseStatus {
    return this.#database
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  open(isOpen: boolean): void {
    this.#isOpen = isOpen
    this.#button.setAttribute('aria-expanded', String(isOpen))
    if (isOpen && !this.#details) {
      this.#details = new DatabaseDetails()
      this.#place.append(this.#details.node)
    }
    this.#place.hidden = !isOpen
    if (isOpen) this.#details?.update(this.#database, this.#now)
  }

  matches(words: readonly string[]): boolean {
    const { path, replica, label } = this.#database
    const text = `${path} ${replica} ${label}`.toLowerCase()
    return words.every((word) => text.includes(word))
  }

  update(database: DatabaseStatus, now: number): void {
    this.#database = database
    this.#now = now
    const severity = severityOf(database)
    this.node.className = `card ${severity}`
    const { path, label, lagMs, restorable, databaseSize, replica } = database
    const isComplete = severity === 'ok' && label === 'replicating' && lagMs === 0
    const to = restorable && (isComplete ? 'now' : moment(restorable.to.timestamp, now))
    fill(this.#button, [path, label, Math.round(lagMs), to, databaseSize, replica, severity], () =>
      line(database, severity, to),
    )
    const { error, reason, hint } = database
    const data = [error?.message, error?.since, reason, hint, Math.floor(now / 5000)]
    fill(this.#alert, data, () => alertOf(database, now))
    this.#alert.hidden = this.#alert.childNodes.length === 0
    if (this.#isOpen) this.#details?.update(database, now)
  }
}

function line(
  { path, label, lagMs, databaseSize, replica, missingMs }: DatabaseStatus,
  severity: Severity,
  to: string | undefined,
): Child[] {
  const { name, folder } = splitPath(path)
  const lag = missingMs === undefined ? `${duration(lagMs)} lag` : `missing for ${duration(missingMs)}`
  return [
    element('span', { class: `dot ${severity}`, 'aria-hidden': 'true' }),
    element(
      'span',
      { class: 'name' },
      element('b', {}, name),
      element('small', {}, element('span', {}, folder), ` → ${replica}`),
    ),
    element('span', { class: `label ${severity}` }, label),
    element('span', { class: 'fact lag' }, lag),
    element('span', { class: 'fact until' }, to === undefined ? 'nothing to restore' : `restorable to ${to}`),
    element('span', { class: 'fact size' }, bytes(databaseSize)),
  ]
}

function alertOf({ error, reason, hint }: DatabaseStatus, now: number): Child[] {
  const next = element('p', { class: 'hint' }, hint ?? '')
  if (error) {
    const how = error.retried ? 'retried automatically' : 'not retried'
    const since = `since ${moment(error.since, now)}, ${how}`
    return [
      element('p', {}, element('b', {}, error.operation), ` ${error.message}`),
      next,
      element('p', { class: 'soft' }, since),
    ]
  }
  return reason === undefined ? [] : [element('p', {}, reason), next]
}
