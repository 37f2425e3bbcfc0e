// Checks that every test that docs/contributors/conformance.md names exists.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'

const root = path.resolve(import.meta.dirname, '../../..')

/** The names of the tests in a file, `…` for what a template fills in. */
function namesOf(source: string): string[] {
  const calls = source.matchAll(/\btest\(\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`)/g)
  return [...calls].map(([, literal]) =>
    literal!
      .slice(1, -1)
      .replace(/\\(['"`])/g, '$1')
      .replace(/\$\{[^}]*\}/g, '…'),
  )
}

const tests = new Map(
  readdirSync(path.join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => [file, namesOf(readFileSync(path.join(root, 'test', file), 'utf8'))] as const),
)

interface Row {
  readonly first: string
  /** The cells after the description of the item. */
  readonly held: readonly string[]
  readonly line: number
}

const rows: Row[] = []
for (const [i, line] of readFileSync(path.join(root, 'docs/contributors/conformance.md'), 'utf8')
  .split('\n')
  .entries()) {
  if (!line.startsWith('|') || /^\| (---|-+ |Fault|Item|What)/.test(line)) continue
  const cells = line
    .slice(1, -1)
    .split('|')
    .map((cell) => cell.trim())
  rows.push({ first: cells[0]!, held: cells.slice(cells.length > 2 ? 2 : 1), line: i + 1 })
}

/** The references of a row, as [file, name]. */
function references({ held }: Row): [file: string, name: string][] {
  return held
    .flatMap((cell) => cell.split('<br>'))
    .flatMap((part) => {
      const match = /^`([^`]+\.ts)`: (.+)$/.exec(part.trim())
      return match ? [[match[1]!, match[2]!] as [string, string]] : []
    })
}

test('every test that docs/contributors/conformance.md names exists', () => {
  assert.ok(rows.length > 150)
  for (const row of rows) {
    for (const cell of row.held) {
      const reasoned = /^(not by a test|excepted): ./.test(cell)
      for (const part of reasoned ? [] : cell.split('<br>')) {
        assert.match(part.trim(), /^`[^`]+\.ts`: ./, `docs/contributors/conformance.md:${row.line}`)
      }
    }
    for (const [file, name] of references(row)) {
      assert.ok(
        tests.get(file)?.includes(name),
        `docs/contributors/conformance.md:${row.line}: test/${file} has no test "${name}"`,
      )
    }
  }
})

test('docs/contributors/conformance.md lists the faults B1 to B13 and the VFS items 1 to 68 once each, in order', () => {
  const faults = rows.filter(({ first }) => /^B\d+$/.test(first)).map(({ first }) => first)
  assert.deepEqual(
    faults,
    Array.from({ length: 13 }, (_, i) => `B${i + 1}`),
  )
  const items = rows.filter(({ first }) => /^\d+$/.test(first)).map(({ first }) => Number(first))
  assert.deepEqual(
    items,
    Array.from({ length: 68 }, (_, i) => i + 1),
  )
})
