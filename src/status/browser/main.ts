import type { DatabaseStatus, ReplicaStatus, StatusDocument } from '../document.js'
import { DatabaseRow, severityOf } from './database-row.js'
import { element, setText } from './dom.js'
import { plural } from './format.js'
import { ReplicaRow } from './replica-row.js'
import { Summary } from './summary.js'

const REFRESH_MS = 2000
/**
 * If the process has more than MANY databases, /status.json has hundreds of kilobytes. With so many
 * databases, the page refreshes less often.
 */
const MANY = 50
const REFRESH_MANY_MS = 5000
/**
 * If there are at most FEW databases, the page opens the details of all databases. If there are at
 * least SEARCHABLE databases, the page shows the search.
 */
const FEW = 2
const SEARCHABLE = 6
/** Timeout in milliseconds of a request for /status.json. */
const ANSWER_MS = 15_000

const ORDER = { bad: 0, warn: 1, ok: 2 } as const

/**
 * The status page. The page refreshes itself from /status.json, and keeps rows that the user has
 * opened and text that the user has typed.
 */
class Page {
  readonly #summary = new Summary()
  readonly #contact = element('p', { class: 'contact', role: 'alert', hidden: '' })
  readonly #search = element('input', {
    type: 'search',
    placeholder: 'Search databases',
    'aria-label': 'Search databases',
  })
  readonly #attention = element('button', { type: 'button', 'aria-pressed': 'false' }, 'Needs attention')
  readonly #found = element('span', { class: 'soft' })
  readonly #tools = element('div', { class: 'tools', hidden: '' }, this.#search, this.#attention, this.#found)
  readonly #list = element('main')
  readonly #rows = new Map<string, DatabaseRow>()
  readonly #replicas = new Map<string, ReplicaRow>()
  #isFirst = true
  #timer: number | undefined
  #running: Promise<void> | undefined

  start(root: HTMLElement): void {
    root.replaceChildren(this.#contact, this.#summary.node, this.#tools, this.#list)
    this.#search.addEventListener('input', () => this.#arrange())
    this.#attention.addEventListener('click', () => {
      this.#attention.setAttribute('aria-pressed', String(this.#attention.getAttribute('aria-pressed') !== 'true'))
      this.#arrange()
    })
    void this.#refresh()
  }

  /** Refreshes the page now, and schedules the next refresh. */
  async #refresh(): Promise<void> {
    window.clearTimeout(this.#timer)
    const before = this.#running
    const load = Promise.resolve(before).then(() => this.#load())
    this.#running = load
    await load
    // If a newer refresh has started meanwhile, the newer one schedules the next refresh.
    if (this.#running !== load) return
    this.#timer = window.setTimeout(() => void this.#refresh(), this.#rows.size > MANY ? REFRESH_MANY_MS : REFRESH_MS)
  }

  async #load(): Promise<void> {
    try {
      // A hidden page sends no requests.
      if (document.hidden && !this.#isFirst) return
      const open = [...this.#rows.values()].filter(({ isOpen }) => isOpen).map(({ database }) => database.path)
      const query = new URLSearchParams((open.length > 0 ? open : ['']).map((path) => ['details', path]))
      const response = await fetch(`/status.json?${query}`, { signal: AbortSignal.timeout(ANSWER_MS) })
      if (!response.ok) throw new Error(await response.text())
      this.#show((await response.json()) as StatusDocument)
      this.#contact.hidden = true
    } catch (error) {
      setText(this.#contact, `The process does not answer: ${error instanceof Error ? error.message : String(error)}`)
      this.#contact.hidden = false
    }
  }

  #show(status: StatusDocument): void {
    const { databases, replicas, now } = status
    this.#summary.update(status)
    this.#forget(databases, replicas)
    for (const database of databases) this.#rowOf(database, databases.length).update(database, now)
    for (const replica of replicas) {
      const row = this.#replicas.get(replica.url) ?? new ReplicaRow(replica)
      this.#replicas.set(replica.url, row)
      row.update(replica, now)
    }
    this.#tools.hidden = databases.length < SEARCHABLE
    this.#arrange()
    const wasFirst = this.#isFirst
    this.#isFirst = false
    // The first response contained no details, so the page requests the details of the rows that it
    // has just opened.
    if (wasFirst && [...this.#rows.values()].some(({ isOpen }) => isOpen))
      window.setTimeout(() => void this.#refresh(), 0)
  }

  #rowOf(database: DatabaseStatus, total: number): DatabaseRow {
    const known = this.#rows.get(database.path)
    if (known) return known
    const row = new DatabaseRow(database, () => void this.#refresh())
    row.open(this.#isFirst && total <= FEW)
    this.#rows.set(database.path, row)
    return row
  }

  #forget(databases: readonly DatabaseStatus[], replicas: readonly ReplicaStatus[]): void {
    const paths = new Set(databases.map(({ path }) => path))
    for (const path of this.#rows.keys()) if (!paths.has(path)) this.#rows.delete(path)
    const urls = new Set(replicas.map(({ url }) => url))
    for (const url of this.#replicas.keys()) if (!urls.has(url)) this.#replicas.delete(url)
  }

  /**
   * Shows failing databases first. Sorts databases of equal severity by path. Hides databases that
   * the search does not match.
   */
  #arrange(): void {
    const words = this.#search.value.toLowerCase().split(/\s+/).filter(Boolean)
    const onlyBad = this.#attention.getAttribute('aria-pressed') === 'true'
    const rank = (row: DatabaseRow) => ORDER[severityOf(row.database)]
    const shown = [...this.#rows.values()]
      .filter((row) => row.matches(words) && !(onlyBad && rank(row) === ORDER.ok))
      .sort((a, b) => rank(a) - rank(b) || (a.database.path < b.database.path ? -1 : 1))
    const nodes = [...shown, ...this.#replicas.values()].map(({ node }) => node)
    setText(this.#found, shown.length === this.#rows.size ? '' : plural(shown.length, 'database'))
    const current = [...this.#list.children]
    if (nodes.length === current.length && nodes.every((node, i) => node === current[i])) return
    this.#list.replaceChildren(...nodes)
  }
}

new Page().start(document.getElementById('page')!)
