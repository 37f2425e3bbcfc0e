import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { formatCell, formatMarkdown, formatNumber } from './format.js'
import { GOALS, type Goal, judge } from './goals.js'
import { type Cell, type Column, type Result, readResult, resultsDirectory } from './result.js'

/**
 * docs/performance.md from its template and the results. `{{machine}}`, `{{goals}}`, `{{tables
 * NAME}}` (all tables and pictures of a result) and, inside a sentence, `{{NAME.TABLE COLUMN
 * key=value, key=value}}` (one cell of the one matching row). So no figure in the document is
 * written by hand. Throws for a placeholder without a match.
 */
export function renderDocument(template: string): string {
  return template.replace(/\{\{([^}]+)\}\}/g, (_, text: string) => {
    const [word, ...rest] = text.trim().split(' ')
    if (word === 'machine') return describeMachines()
    if (word === 'goals') return goalsTable()
    if (word === 'tables') return tablesOf(rest[0]!)
    return cellOf(word!, rest[0]!, rest.slice(1).join(' '))
  })
}

/** Figures with a unit in a template, which would be written by hand. */
export function typedFigures(template: string): string[] {
  const prose = template.replace(/\{\{[^}]+\}\}/g, '').replace(/`[^`]*`/g, '')
  return prose.match(/\d[\d.,]*\s?(?:µs|us|ms|s|MB|MiB|GB|KiB|%|×|x|times)(?![a-z])/g) ?? []
}

/**
 * Figures in a document that must come from a measurement: times in microseconds, rates, ratios.
 */
export function measuredFigures(document: string): string[] {
  return document.match(/\d[\d.,]*\s?(?:µs|[MG]B\/s|MiB\/s|×)/g) ?? []
}

function results(): Result[] {
  return readdirSync(resultsDirectory())
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => readResult(path.basename(file, '.json')))
}

function describeMachines(): string {
  const all = results()
  const machines = new Set(
    all.map(({ machine }) => {
      const { cpu, cores, memory, system, node, sqlite } = machine
      return `${cpu}, ${cores} cores, ${formatNumber(memory, 'bytes')} of memory, ${system}, Node.js ${node}, SQLite ${sqlite}`
    }),
  )
  const rows = all.map(
    ({ name, date, machine }) => `| ${name} | ${date.slice(0, 16).replace('T', ' ')} | ${machine.load.toFixed(1)} |`,
  )
  return [[...machines].join('; '), '', '| result | taken, UTC | load before |', '| --- | --- | ---: |', ...rows].join(
    '\n',
  )
}

function goalsTable(): string {
  const known = new Set(results().map(({ name }) => name))
  const missed: Goal[] = []
  const rows = GOALS.map((goal) => {
    const bound = `${goal.atLeast ? '≥' : '≤'} ${goal.bound}`
    const judged = known.has(goal.result) ? judge(goal, readResult(goal.result)) : undefined
    if (judged === undefined || Number.isNaN(judged.measured)) return `| ${goal.text} | ${bound} | not measured | – |`
    if (!judged.met) missed.push(goal)
    return `| ${goal.text} | ${bound} | ${formatNumber(judged.measured, 'us')} | ${judged.met ? 'yes' : '**no**'} |`
  })
  const table = ['| goal | bound | measured | met |', '| --- | ---: | ---: | --- |', ...rows].join('\n')
  return missed.length === 0 ? table : `${table}\n\nReasons for the goals that are not met:\n\n${reasons(missed)}`
}

/** Each reason once, with the goals that it explains. */
function reasons(missed: readonly Goal[]): string {
  const whys = [...new Set(missed.map(({ why }) => why ?? 'Not explained yet.'))]
  return whys
    .map((why) => {
      const texts = missed.filter((goal) => (goal.why ?? 'Not explained yet.') === why).map(({ text }) => text)
      return `- _${texts.join('; ')}._ ${why}`
    })
    .join('\n')
}

function tablesOf(name: string): string {
  if (!existsSync(path.join(resultsDirectory(), `${name}.json`)))
    return `Not measured yet: \`npm run bench -- ${name.replace(/-(\d+)$/, ' --posts $1')}\`.`
  const { question, limit, tables } = readResult(name)
  const parts = [`${question} _The limit:_ ${limit}`]
  for (const table of tables) {
    parts.push(`**${table.title}**`, formatMarkdown(table))
    table.plots?.forEach((plot, i) => {
      const file = `${name}-${table.id}-${i + 1}.svg`
      if (existsSync(path.join(resultsDirectory(), file))) parts.push(`![${plot.title}](../bench/results/${file})`)
    })
  }
  return parts.join('\n\n')
}

function cellOf(place: string, key: string, conditions: string): string {
  const [name, id] = place.split('.')
  const table = readResult(name!).tables.find((one) => one.id === id)
  if (!table) throw new Error(`{{${place} …}}: there is no such table`)
  const wanted = conditions === '' ? [] : conditions.split(',').map((one) => one.trim().split('=') as [string, string])
  const rows = table.rows.filter((row) => wanted.every(([column, value]) => shows(table.columns, row, column, value)))
  const column = table.columns.find((one) => one.key === key)
  if (rows.length !== 1 || !column) throw new Error(`{{${place} ${key} ${conditions}}}: ${rows.length} rows fit`)
  const cell = rows[0]![key]
  const unit = ['us', 'ms', 's', 'MB/s'].includes(column.unit) ? ` ${column.unit.replace('us', 'µs')}` : ''
  return `${formatCell(cell, column.unit)}${unit}`
}

function shows(columns: readonly Column[], row: Readonly<Record<string, Cell>>, key: string, value: string): boolean {
  const unit = columns.find((one) => one.key === key)?.unit ?? 'text'
  return String(row[key]) === value || formatCell(row[key], unit) === value
}
