// A replica whose newest file has an impossible number: every command that reads it reports the
// same error.
import assert from 'node:assert/strict'
import { copyFileSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import Database from 'better-sqlite3'
import { type Forged, forgedLtx, pagesOf, putLtx, uvarint } from '../support/forged-ltx.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { run } from './run.js'

const MAX_U64 = 2n ** 64n - 1n
const PAGE_SIZE = 4096

/** Pages of a small database, the second of which is a table's leaf. */
function databasePages(t: TestContext): [number, Uint8Array][] {
  const file = path.join(temporaryDirectory(t), 'a.db')
  const db = new Database(file)
  db.exec(`CREATE TABLE t (v TEXT); INSERT INTO t VALUES ('a'), ('b')`)
  db.close()
  return pagesOf(readFileSync(file), PAGE_SIZE)
}

type Change = Partial<Omit<Forged, 'pages'>>

/** The fault of the file, and the text that the message must contain. */
const IMPOSSIBLE: Record<string, readonly [change: Change, named: RegExp]> = {
  'page size 0': [{ pageSize: 0 }, /page size 0/],
  'page size 256': [{ pageSize: 256 }, /page size 256/],
  'page size 5000': [{ pageSize: 5000 }, /page size 5000/],
  'page size 2^17': [{ pageSize: 131072 }, /page size 131072/],
  'page size 2^32-1': [{ pageSize: 0xffffffff }, /page size 4294967295/],
  'commit 0': [{ commit: 0 }, /commit 0/],
  'commit 2^32-1': [{ commit: 0xffffffff }, /commit 4294967295/],
  'min TXID 0': [{ minTxid: 0n, maxTxid: 2n }, /min TXID 0/],
  'max TXID 2^53': [{ maxTxid: 2n ** 53n }, /invalid max TXID 9007199254740992, the largest is 9007199254740991/],
  'TXIDs of 2^64-1': [{ minTxid: MAX_U64, maxTxid: MAX_U64 }, /invalid min TXID 18446744073709551615/],
  'max TXID below min TXID': [{ minTxid: 2n, maxTxid: 1n }, /max TXID 1 is below min TXID 2/],
  'time 2^64-1': [{ timestamp: MAX_U64 }, /timestamp 18446744073709551615/],
  'WAL offset 2^63': [{ walOffset: 2n ** 63n }, /WAL offset 9223372036854775808/],
  'WAL size 2^64-1': [{ walOffset: 32n, walSize: MAX_U64 }, /WAL size 18446744073709551615/],
  'index length 0': [{ indexLength: 0n }, /(page index length|length field says) 0/],
  'index length 2^63': [{ indexLength: 2n ** 63n }, /(page index length|length field says) 9223372036854775808/],
  'index length 2^64-1': [{ indexLength: MAX_U64 }, /(page index length|length field says) 18446744073709551615/],
  'page number 2^64-1': [{ index: ([one]) => [{ ...one!, pgno: MAX_U64 }] }, /too large/],
  'page number 2^32': [{ index: ([one]) => [{ ...one!, pgno: 2n ** 32n }] }, /page 4294967296 follows page 0/],
  'page beyond the commit': [{ index: ([one]) => [{ ...one!, pgno: 9n }] }, /page beyond the database of 2 pages/],
  'offset 2^55': [{ index: ([one]) => [{ ...one!, offset: 2n ** 55n }] }, /at 36028797018963970, outside/],
  'offset inside the header': [{ index: ([one]) => [{ ...one!, offset: 50n }] }, /at 50/],
  'frame size 0': [{ index: ([one]) => [{ ...one!, size: 0n }] }, /frame of 0 bytes/],
  'frame size 2^40': [{ index: ([one]) => [{ ...one!, size: 2n ** 40n }] }, /frame of 1099511627776 bytes/],
  'two entries for one page': [{ index: ([one]) => [one!, one!] }, /page 1 follows page 1/],
  'index without an end': [{ index: () => Uint8Array.from(uvarint(1n)) }, /ends inside an entry/],
  'number of ten bytes': [{ index: () => new Uint8Array(12).fill(0x80) }, /too large/],
}

for (const [name, [change, named]] of Object.entries(IMPOSSIBLE)) {
  test(`for ${name}, restore, verify and query print the file, the value and the next step`, async (t) => {
    const pages = databasePages(t)
    const directory = temporaryDirectory(t)
    const folder = path.join(directory, 'replica')
    putLtx(folder, 0, 1, 1, forgedLtx({ pages }))
    putLtx(folder, 0, 2, 2, forgedLtx({ pages: [pages[0]!], minTxid: 2n, commit: pages.length, ...change }))
    const url = pathToFileURL(folder).href
    for (const args of [
      ['restore', '-o', path.join(directory, 'restored.db'), url],
      ['verify', url],
      ['query', url, 'SELECT count(*) FROM t'],
    ]) {
      const { status, signal, stdout, stderr } = await run(args)
      const said = stdout + stderr
      assert.deepEqual({ status, signal }, { status: 1, signal: null }, said)
      assert.match(said, /0000000000000002-0000000000000002\.ltx/, args[0])
      assert.match(said, named, args[0])
      const next =
        args[0] === 'verify'
          ? /can be restored up to TXID 0000000000000001/
          : /Try: Run `litestream-ts verify` on the replica to see the TXIDs that can be restored\. /
      assert.match(said, next, args[0])
    }
  })
}

test('no command treats a file as an LTX file if the name of the file has a TXID of 2^53 or more', async (t) => {
  const pages = databasePages(t)
  const directory = temporaryDirectory(t)
  const folder = path.join(directory, 'replica')
  const file = putLtx(folder, 0, 1, 1, forgedLtx({ pages }))
  for (const range of ['0000000000000002-0020000000000000', 'ffffffffffffffff-ffffffffffffffff']) {
    copyFileSync(file, path.join(path.dirname(file), `${range}.ltx`))
  }
  const url = pathToFileURL(folder).href
  for (const args of [
    ['restore', '-o', path.join(directory, 'restored.db'), url],
    ['verify', url],
    ['query', url, 'SELECT count(*) FROM t'],
    ['ltx', url],
  ]) {
    const { status, stdout, stderr } = await run(args)
    assert.equal(status, 0, `${args[0]}: ${stdout}${stderr}`)
    assert.doesNotMatch(stdout + stderr, /0020000000000000|ffffffffffffffff/, args[0])
  }
})

test('a replica that ends at the largest possible TXID can be restored, and a primary refuses to continue this replica', async (t) => {
  const directory = temporaryDirectory(t)
  const folder = path.join(directory, 'replica')
  const max = Number.MAX_SAFE_INTEGER
  putLtx(folder, 9, 1, max, forgedLtx({ pages: databasePages(t), maxTxid: BigInt(max) }))
  const url = pathToFileURL(folder).href
  const output = path.join(directory, 'restored.db')
  assert.equal((await run(['restore', '-o', output, url])).status, 0)
  const { status, stdout, stderr } = await run(['replicate', '-once', output, url])
  assert.equal(status, 1)
  assert.match(
    stdout + stderr,
    /the replica ends at TXID 001fffffffffffff, and no larger TXID is possible" code=LTX_CORRUPT hint="Replicate/,
  )
})

test('if a file’s pages differ in size from the page size in the file header, restore, verify and query name the file and a page', async (t) => {
  const directory = temporaryDirectory(t)
  const folder = path.join(directory, 'replica')
  putLtx(folder, 0, 1, 1, forgedLtx({ pages: databasePages(t), pageSize: 65536 }))
  const url = pathToFileURL(folder).href
  for (const args of [
    ['restore', '-o', path.join(directory, 'restored.db'), url],
    ['verify', url],
    ['query', url, 'SELECT count(*) FROM t'],
  ]) {
    const { status, stdout, stderr } = await run(args)
    assert.equal(status, 1)
    assert.match(stdout + stderr, /0000000000000001-0000000000000001\.ltx: [^\n]+ page 1\)/, args[0])
  }
})
