import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { LtxEncoder } from '../../../src/ltx/encoder.js'
import { formatFileName } from '../../../src/ltx/file-name.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { run } from '../run.js'

function ltxFile(minTxid: number, maxTxid: number, pageCount: number): Buffer {
  const pageSize = 512
  const encoder = new LtxEncoder({ pageSize, commit: pageCount, minTxid, maxTxid, timestamp: 1_700_000_000_000 })
  const pgnos = Uint32Array.from({ length: pageCount }, (_, i) => i + 1)
  const pages = new Uint8Array(pageCount * pageSize).map((_, i) => (i * 31) % 256)
  return Buffer.concat([encoder.start(), encoder.pages(pgnos, pages), encoder.finish()])
}

async function replica(t: TestContext) {
  const dir = temporaryDirectory(t)
  const file = (level: number, min: number, max: number) =>
    path.join(dir, 'ltx', String(level), formatFileName(min, max))
  for (const [level, min, max] of [
    [0, 1, 1],
    [0, 2, 2],
    [1, 1, 2],
    [9, 1, 1],
  ] as const) {
    mkdirSync(path.dirname(file(level, min, max)), { recursive: true })
    writeFileSync(file(level, min, max), ltxFile(min, max, 3))
  }
  return { dir, url: `file://${dir}`, file }
}

test('ltx lists the files of one level or of all levels', async (t) => {
  const { url, dir } = await replica(t)
  const table = await run(['ltx', url])
  assert.equal(table.status, 0, table.stderr)
  assert.match(
    table.stdout,
    /^level {2}min_txid {10}max_txid {10}size {2}created\n0 {6}0000000000000001 {2}0000000000000001 {2}\d+ +\d{4}-\d\d-\d\dT/,
  )
  assert.equal(table.stdout.split('\n').length, 4)
  const all = JSON.parse((await run(['ltx', '-level', 'all', '-json', url])).stdout)
  assert.deepEqual(
    all.map((f: { level: number; min_txid: string; max_txid: string }) => [f.level, f.min_txid, f.max_txid]),
    [
      [0, '0000000000000001', '0000000000000001'],
      [0, '0000000000000002', '0000000000000002'],
      [1, '0000000000000001', '0000000000000002'],
      [9, '0000000000000001', '0000000000000001'],
    ],
  )
  assert.deepEqual(Object.keys(all[0]), ['level', 'min_txid', 'max_txid', 'size', 'timestamp'])
  const configured = path.join(dir, 'litestream.yml')
  writeFileSync(configured, `dbs: [{ path: ${dir}/a.db, replica: { path: ${dir} } }]`)
  const byPath = await run(['ltx', '--config', configured, '-level=9', '-json', `${dir}/a.db`])
  assert.deepEqual(JSON.parse(byPath.stdout).length, 1, byPath.stderr)
  const unknown = await run(['ltx', '-config', configured, `${dir}/b.db`])
  assert.equal(unknown.status, 1)
  assert.match(unknown.stderr, /Error: database not found in config: .*b\.db\nTry: Name a configured database: .*a\.db/)
})

test('ltx refuses an invalid level, an unknown URL scheme, and the combination of -config and a replica URL', async () => {
  const level = await run(['ltx', '-level', '10', 'file:///tmp/x'])
  assert.deepEqual(
    [level.status, level.stderr],
    [1, 'Error: invalid level: "10"\nTry: Set -level to a number from 0 to 9, or to the word all for every level.\n'],
  )
  const scheme = await run(['ltx', 'floppy://a'])
  assert.equal(scheme.status, 1)
  assert.match(scheme.stderr, /^Error: floppy:\/\/a: "floppy" is not a scheme of a replica\nTry: /)
  const both = await run(['ltx', '-config', '/x.yml', 'file:///x'])
  assert.match(both.stderr, /^Error: cannot use -config with a replica URL/)
})

test('ltx info prints the header, the sizes and the trailer of a file', async (t) => {
  const { file } = await replica(t)
  const { status, stdout } = await run(['ltx', 'info', file(1, 1, 2)])
  assert.equal(status, 0)
  assert.match(stdout, /page_size: +512\n/)
  assert.match(stdout, /flags: +no database checksums\n/)
  const [info] = JSON.parse((await run(['ltx', 'info', '-json', file(1, 1, 2)])).stdout)
  assert.deepEqual(
    [info.page_size, info.commit, info.pages, info.min_txid, info.max_txid, info.timestamp, info.database_size],
    [512, 3, 3, '0000000000000001', '0000000000000002', '2023-11-14T22:13:20.000Z', 1536],
  )
})

test('ltx verify names a damaged file and the offset of the damage, and ends with status 1', async (t) => {
  const { file, dir } = await replica(t)
  const good = file(0, 1, 1)
  const bad = path.join(dir, 'bad.ltx')
  const bytes = ltxFile(1, 1, 3)
  bytes[bytes.length - 30]! ^= 1
  writeFileSync(bad, bytes)
  assert.deepEqual(await run(['ltx', 'verify', good]).then(({ status, stdout }) => [status, stdout]), [
    0,
    `ok       ${good}  3 pages\n`,
  ])
  const mixed = await run(['ltx', 'verify', good, bad, path.join(dir, 'missing.ltx')])
  assert.equal(mixed.status, 1)
  const lines = mixed.stdout.split('\n')
  assert.match(lines[0]!, /^ok /)
  assert.match(lines[1]!, /^damaged {2}.*bad\.ltx {2}\S/)
  assert.match(lines[2]!, /^damaged {2}.*no such file/)
  const directory = await run(['ltx', 'info', dir])
  assert.equal(directory.status, 1)
  assert.match(directory.stderr, /is a directory, not a regular file\n.*Give the path of each LTX file/)
  const [verdict] = JSON.parse((await run(['ltx', 'verify', '-json', bad])).stdout)
  assert.equal(verdict.ok, false)
  assert.equal(typeof verdict.offset, 'number')
})

test('ltx dump lists the pages of a file, or prints one page', async (t) => {
  const { file } = await replica(t)
  const rows = JSON.parse((await run(['ltx', 'dump', '-json', file(0, 1, 1)])).stdout)
  assert.deepEqual(
    rows.map((row: { pgno: number }) => row.pgno),
    [1, 2, 3],
  )
  assert.equal(rows[0].offset, 100)
  const page = await run(['ltx', 'dump', '-page', '2', file(0, 1, 1)])
  assert.match(page.stdout, /^00000000 {2}00 1f 3e/)
  assert.equal(page.stdout.trimEnd().split('\n').length, 32)
  const none = await run(['ltx', 'dump', '-page', '9', file(0, 1, 1)])
  assert.deepEqual([none.status, /does not contain page 9\nTry: /.test(none.stderr)], [1, true])
})
