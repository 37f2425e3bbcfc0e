import type { StatusDocument } from '../document.js'
import { severityOf } from './database-row.js'
import { type Child, element, fill } from './dom.js'
import { ago, duration, money, plural } from './format.js'

/**
 * The line of the status page that says whether the user must act. The summary line also shows the
 * figures of the whole process.
 */
export class Summary {
  readonly node = element('section', { class: 'summary', role: 'status' })

  update(status: StatusDocument): void {
    const { now } = status
    const severity = severityOfAll(status)
    this.node.className = `summary ${severity}`
    document.title = severity === 'ok' ? 'litestream-ts' : `● ${headline(status)}`
    fill(
      this.node,
      [headline(status), facts(status), severity],
      () =>
        [
          element('p', { class: 'headline' }, element('span', { class: `dot ${severity}` }), headline(status)),
          element('p', { class: 'soft' }, facts(status)),
          ...status.parts.map(({ part, name, message, hint, since }) =>
            element(
              'div',
              { class: 'alert', role: 'alert' },
              element('p', {}, element('b', {}, part), ` ${name}: ${message} (${ago(since, now)})`),
              element('p', { class: 'hint' }, hint ?? ''),
            ),
          ),
        ] satisfies Child[],
    )
  }
}

function severityOfAll({ databases, replicas, parts }: StatusDocument): 'bad' | 'warn' | 'ok' {
  const severities = databases.map(severityOf)
  if (severities.includes('bad') || replicas.some(({ ok }) => !ok) || parts.some(({ replication }) => replication))
    return 'bad'
  return severities.includes('warn') || parts.length > 0 ? 'warn' : 'ok'
}

function headline({ databases, replicas, parts }: StatusDocument): string {
  const bad = databases.filter((each) => severityOf(each) === 'bad').length
  const waiting = databases.filter((each) => severityOf(each) === 'warn').length
  const behind = replicas.filter(({ ok }) => !ok).length
  if (databases.length > 0) {
    const [all, needs] = [plural(databases.length, 'database'), bad === 1 ? 'needs' : 'need']
    if (bad > 0) return databases.length === 1 ? 'The database needs attention' : `${bad} of ${all} ${needs} attention`
    if (waiting > 0) {
      return `${databases.length - waiting} of ${all} ${databases.length - waiting === 1 ? 'is' : 'are'} replicated, ${waiting} not`
    }
    const replicated = databases.length === 1 ? 'The database is replicated' : `All ${all} are replicated`
    return parts.length === 0 ? replicated : `${replicated}, ${plural(parts.length, 'other part')} failing`
  }
  if (replicas.length > 0) {
    return behind > 0
      ? `${behind} of ${plural(replicas.length, 'replica')} behind`
      : `${plural(replicas.length, 'replica')} read`
  }
  return 'No databases are configured'
}

function facts({ databases, startedAt, now, version }: StatusDocument): string {
  const running = `version ${version}, running for ${duration(Math.floor((now - startedAt) / 5000) * 5000)}`
  if (databases.length === 0) return running
  const lag = Math.max(...databases.map(({ lagMs }) => lagMs))
  const proofs = databases.flatMap(({ proof }) => proof?.at ?? [])
  const costs = databases.flatMap(({ requests }) => requests?.month?.cost ?? [])
  const rates = databases.flatMap(({ requests }) => requests?.month?.requests ?? [])
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)
  return [
    lag < 5000
      ? 'no commit has waited longer than 5 s for its upload'
      : `oldest commit that waits for its upload: ${duration(Math.round(lag / 1000) * 1000)}`,
    rates.length > 0 && `${plural(roughly(sum(rates)), 'request')} a month`,
    costs.length > 0 && `${money(sum(costs))} a month for requests`,
    proofs.length > 0 && `last scheduled restore ${ago(Math.max(...proofs), now)}`,
    running,
  ]
    .filter(Boolean)
    .join(' · ')
}

/** Rounds `n` to two significant digits. */
function roughly(n: number): number {
  return Number(n.toPrecision(2))
}
