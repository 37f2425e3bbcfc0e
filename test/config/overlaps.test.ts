import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { configFromText } from '../../src/config/load.js'
import { ClaimedPlaces } from '../../src/config/overlaps.js'
import { realPathOf } from '../../src/fs/real-path.js'
import { replicate, replicateOnce } from '../../src/index.js'
import { run } from '../cli/run.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

/** The error of the first overlap of a configuration, undefined without one. */
function overlapOf(text: string): string | undefined {
  const config = configFromText(text, 'litestream.yml')
  try {
    const places = new ClaimedPlaces(config)
    for (const database of config.databases) places.add(database)
    return undefined
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'CONFIG_INVALID')
    return (error as Error).message
  }
}

const dbs = (...entries: string[]) => `dbs:\n${entries.map((entry) => `  - ${entry}`).join('\n')}`

test('every pair of overlapping paths in a configuration is refused, whichever path is first', () => {
  const a = '{ path: /d/a.db, replica: { path: /r/a } }'
  const pairs: [string, string, RegExp][] = [
    [
      a,
      '{ path: /d/b.db, replica: { path: /r/a } }',
      /the replica of \/d\/b\.db .*the replica of \/d\/a\.db|the same path/,
    ],
    [a, '{ path: /d/b.db, replica: { path: /r/a/b } }', /overlap/],
    [a, '{ path: /d/b.db, replica: { path: /r } }', /overlap/],
    [a, '{ path: /d/b.db, replica: { path: /d/a.db } }', /the same path/],
    [a, '{ path: /d/b.db, replica: { path: /d/a.db-wal } }', /-wal file/],
    [a, '{ path: /d/b.db, replica: { path: /d/a.db-shm } }', /-shm file/],
    [a, '{ path: /d/b.db, replica: { path: /d/a.db-journal } }', /-journal file/],
    [a, '{ path: /d/b.db, replica: { path: /d/.a.db-litestream } }', /meta-path/],
    [a, '{ path: /d/b.db, replica: { path: /d/.a.db-litestream/ltx } }', /meta-path/],
    [a, '{ path: /d/b.db, replica: { path: /d } }', /overlap/],
    [a, '{ path: /d/a.db-wal, replica: { path: /r/b } }', /-wal file/],
    [a, '{ path: /r/a/b.db, replica: { path: /r/b } }', /overlap/],
    [a, '{ path: /d/b.db, meta-path: /r/a, replica: { path: /r/b } }', /the same path/],
    [a, '{ path: /d/b.db, meta-path: /d/.a.db-litestream, replica: { path: /r/b } }', /the same path/],
    [a, '{ path: /d/b.db, meta-path: /r/a/x/y, replica: { path: /r/b } }', /overlap/],
    [a, '{ path: /d/b.db, meta-path: /d, replica: { path: /r/b } }', /overlap/],
    [
      '{ path: /d/a.db, replica: { url: "s3://bucket/a" } }',
      '{ path: /d/b.db, replica: { type: s3, bucket: bucket, path: /a } }',
      /have the same replica/,
    ],
    [
      '{ path: /d/a.db, replica: { url: "nats://h:4222/bucket/a" } }',
      '{ path: /d/b.db, replica: { url: "nats://h/bucket/a/" } }',
      /have the same replica/,
    ],
  ]
  for (const [first, second, message] of pairs) {
    for (const text of [dbs(first, second), dbs(second, first)])
      assert.match(overlapOf(text) ?? 'no overlap', message, second)
  }
})

test('a database must not overlap with its own replica, its local files or the control socket', () => {
  for (const [entry, message] of [
    ['{ path: /d/a.db, meta-path: /r/a, replica: { path: /r/a } }', /the same path/],
    ['{ path: /d/a.db, meta-path: /r/a/meta, replica: { path: /r/a } }', /overlap/],
    ['{ path: /d/a.db, meta-path: /r, replica: { path: /r/a } }', /overlap/],
    ['{ path: /d/a.db, meta-path: /d/a.db, replica: { path: /r/a } }', /the same path/],
    ['{ path: /d/a.db, meta-path: /d/a.db-wal, replica: { path: /r/a } }', /the same path/],
    ['{ path: /d/a.db, replica: { path: /d/a.db } }', /the same path/],
    ['{ path: /d/a.db, replica: { path: /d/a.db/below } }', /overlap|no overlap/],
    ['{ path: /d/a.db, replica: { path: /d/../d/./a.db-wal } }', /the same path|overlap/],
  ] as const)
    assert.match(overlapOf(dbs(entry)) ?? 'no overlap', message, entry)
  const socket = (file: string) =>
    `socket: { enabled: true, path: ${file} }\n${dbs('{ path: /d/a.db, replica: { path: /r/a } }')}`
  for (const file of ['/d/a.db', '/d/a.db-shm', '/r/a/control.sock', '/d/.a.db-litestream/control.sock'])
    assert.match(overlapOf(socket(file))!, /the control socket/, file)
  assert.equal(overlapOf(socket('/d/control.sock')), undefined)
})

test('a directory entry must not have its replicas in the folder of the databases’ local files', () => {
  const entry = (meta: string) => dbs(`{ dir: /d, pattern: "*.db", ${meta}, replica: { path: /r } }`)
  for (const meta of ['meta-dir: /r', 'meta-dir: /r/meta', 'meta-path: /r', 'meta-path: /'])
    assert.match(overlapOf(entry(meta))!, /the replicas of \/d|meta-/, meta)
  assert.equal(overlapOf(entry('meta-dir: /m')), undefined)
})

test('two paths do not overlap only because one name is the beginning of the other name', () => {
  assert.equal(
    overlapOf(
      dbs(
        '{ path: /d/a.db, replica: { path: /r/a } }',
        '{ path: /d/a.db2, replica: { path: /r/a2 } }',
        '{ path: /d/sub/a.db, replica: { path: /r/a-wal } }',
        '{ path: /e/a.db, replica: { url: "s3://bucket/a" } }',
        '{ path: /e/b.db, replica: { url: "s3://bucket/a/b" } }',
        '{ path: /e/c.db, replica: { url: "s3://other/a" } }',
        '{ path: /e/d.db, replica: { url: "s3://bucket/a?endpoint=http://127.0.0.1:9000" } }',
      ),
    ),
    undefined,
  )
})

test('the overlap check resolves symbolic links, even in paths that do not exist yet', (t) => {
  const dir = temporaryDirectory(t)
  mkdirSync(path.join(dir, 'real/sub'), { recursive: true })
  symlinkSync('real', path.join(dir, 'link'))
  symlinkSync('../real/sub', path.join(dir, 'real/up'))
  symlinkSync('loop', path.join(dir, 'loop'))
  writeFileSync(path.join(dir, 'real/a.db'), '')
  symlinkSync(path.join(dir, 'real/a.db'), path.join(dir, 'a.db'))
  const real = realPathOf(dir)
  assert.equal(realPathOf(`${dir}/link/none/x`), `${real}/real/none/x`)
  assert.equal(realPathOf(`${dir}/link/up/../x`), `${real}/real/x`)
  assert.equal(realPathOf(`${dir}/loop/x`), `${dir}/loop/x`)
  const first = `{ path: ${dir}/real/a.db, replica: { path: ${dir}/real/rep } }`
  for (const second of [
    `{ path: ${dir}/a.db, replica: { path: ${dir}/r2 } }`,
    `{ path: ${dir}/link/a.db, replica: { path: ${dir}/r2 } }`,
    `{ path: ${dir}/b.db, replica: { path: ${dir}/link/rep } }`,
    `{ path: ${dir}/b.db, meta-path: ${dir}/link/rep/new, replica: { path: ${dir}/r2 } }`,
    `{ path: ${dir}/b.db, replica: { path: ${dir}/link/a.db-wal } }`,
  ])
    assert.match(overlapOf(dbs(first, second)) ?? 'no overlap', /overlap|the same path/, second)
})

test('config check, the daemon’s start and the functions of the package refuse overlapping paths', async (t) => {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'litestream.yml')
  writeFileSync(file, dbs(`{ path: ${dir}/a.db, meta-path: ${dir}/r, replica: { path: ${dir}/r } }`))
  for (const args of [['config', 'check'], ['replicate'], ['replicate', '-once']]) {
    const { status, stderr, stdout } = await run([...args, '-config', file])
    assert.equal(status, 1, args.join(' '))
    assert.match(
      stderr,
      /Error: .*the replica of .*a\.db .* and the local files \(meta-path\) of .*a\.db .* are the same path\nTry: Give each/,
    )
    assert.equal(stdout, '')
  }
  for (const start of [replicate, replicateOnce]) {
    await assert.rejects(start(`${dir}/a.db`, `file://${dir}/r`, { metaPath: `${dir}/r` }), {
      code: 'INVALID_ARGUMENT',
    })
    await assert.rejects(start(`${dir}/a.db`, `file://${dir}/a.db`), { code: 'INVALID_ARGUMENT' })
  }
})
