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
  replica: ['worker', 'handle', 'pool'],
}
/** The only import against the order: it reads the head of this process's own executable. */
const EXCEPTIONS = ['native/platform.ts > fs/open-regular-sync.ts']

const root = path.join(import.meta.dirname, '../../src')

/** Every import of one file of src/ by another; with `values`, without those of types alone. */
function* imports(kind: 'all' | 'values' = 'all'): Generator<readonly [from: string, to: string]> {
  const pattern =
    kind === 'all' ? /(?:from|import)\s*\(?\s*'(\.[^']+)'/g : /^(?:import|export) (?!type )[^'"]*?from '(\.[^']+)'/gm
  for (const file of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue
    const text = readFileSync(path.join(root, file), 'utf8')
    for (const [, specifier] of text.matchAll(pattern)) {
      yield [file, path.join(path.dirname(file), specifier!).replace(/\.js$/, '.ts')]
    }
  }
}

const roomOf = (file: string, depth: number) => {
  const parts = file.split('/')
  return parts.length > depth + 1 ? parts[depth] : undefined
}

test('no folder of src/ imports from a folder that is later in the order of the folders', () => {
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

test('no two sibling folders of src/ import each other', () => {
  const edges = new Set<string>()
  for (const [from, to] of imports()) {
    const [a, b] = [from.split('/'), to.split('/')]
    let depth = 0
    while (a[depth] === b[depth]) depth++
    // Files of the common folder may import from its subfolders and the reverse.
    if (a.length <= depth + 1 || b.length <= depth + 1) continue
    const at = a.slice(0, depth)
    edges.add(`${[...at, a[depth]].join('/')} > ${[...at, b[depth]].join('/')}`)
  }
  const mutual = [...edges].filter((edge) => edges.has(edge.split(' > ').reverse().join(' > ')))
  // The exception of the order makes `native` and `fs` import each other.
  assert.deepEqual(mutual.sort(), ['fs > native', 'native > fs'])
})

test('the imports between the modules of src/ have no cycle', () => {
  const graph = new Map<string, string[]>()
  for (const [from, to] of imports('values')) graph.set(from, [...(graph.get(from) ?? []), to])
  const done = new Set<string>()
  const visit = (file: string, way: readonly string[]): void => {
    assert.ok(!way.includes(file), [...way, file].join(' > '))
    if (done.has(file)) return
    for (const next of graph.get(file) ?? []) visit(next, [...way, file])
    done.add(file)
  }
  for (const file of graph.keys()) visit(file, [])
})

test('every function, class and constant that a file of src/ exports is used by another file', () => {
  const project = path.join(root, '..')
  const users = new Map<string, Set<string>>()
  for (const folder of ['src', 'test', 'bench', 'scripts']) {
    for (const file of readdirSync(path.join(project, folder), { recursive: true, encoding: 'utf8' })) {
      if (!/\.(?:ts|mjs)$/.test(file)) continue
      const words = readFileSync(path.join(project, folder, file), 'utf8').match(/[A-Za-z_$][\w$]*/g) ?? []
      for (const word of new Set(words)) users.set(word, (users.get(word) ?? new Set()).add(`${folder}/${file}`))
    }
  }
  const unused: string[] = []
  for (const file of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue
    const text = readFileSync(path.join(root, file), 'utf8')
    for (const [, name] of text.matchAll(/^export (?:async )?(?:function\*?|class|const|let) (\w+)/gm)) {
      if (users.get(name!)!.size === 1) unused.push(`${file}: ${name}`)
    }
  }
  assert.deepEqual(unused, [])
})
