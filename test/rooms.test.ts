import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'

/**
 * The folders of src/, from the ones that everything may use to the ones that use everything; see
 * docs/contributors/architecture.md.
 */
const ROOMS = [
  'native',
  'util',
  'fs',
  'ltx',
  'wal',
  'sqlite',
  'integrity',
  'storage',
  'levels',
  'compaction',
  'restore',
  'mirror',
  'primary',
  'replica',
  'config',
  'status',
  'cli',
]
/** Rooms within rooms, in the same order. */
const INNER: Readonly<Record<string, readonly string[]>> = {
  primary: ['source', 'sync', 'upload'],
  replica: ['worker', 'handle'],
}
/** The only import against the order: it reads the head of this process's own executable. */
const EXCEPTIONS = ['native/platform.ts > fs/open-regular.ts']

const root = path.join(import.meta.dirname, '../../src')

function* imports(): Generator<readonly [from: string, to: string]> {
  for (const file of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue
    const text = readFileSync(path.join(root, file), 'utf8')
    for (const [, specifier] of text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
      yield [file, path.join(path.dirname(file), specifier!).replace(/\.js$/, '.ts')]
    }
  }
}

const roomOf = (file: string, depth: number) => {
  const parts = file.split('/')
  return parts.length > depth + 1 ? parts[depth] : undefined
}

test('no folder of src/ imports from a folder that builds on it', () => {
  const wrong: string[] = []
  for (const [from, to] of imports()) {
    const [a, b] = [roomOf(from, 0), roomOf(to, 0)]
    // Files at the root are the package's entrance, and the errors that everything throws.
    if (a === undefined || b === undefined) continue
    assert.ok(ROOMS.includes(a) && ROOMS.includes(b), `${from} or ${to} is in a folder without a place in the order`)
    const [from1, to1] = [roomOf(from, 1), roomOf(to, 1)]
    const inner = a === b ? INNER[a] : undefined
    const upwards =
      ROOMS.indexOf(b) > ROOMS.indexOf(a) ||
      (inner && from1 !== undefined && to1 !== undefined && inner.indexOf(to1) > inner.indexOf(from1))
    if (upwards) wrong.push(`${from} > ${to}`)
  }
  assert.deepEqual(wrong, EXCEPTIONS)
})
