import assert from 'node:assert/strict'
import { appendFileSync, copyFileSync, cpSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { openReplica } from '../../../src/replica/handle/open-replica.js'
import { decodeBuffer, encodeUploadRecord } from '../../../src/replica/worker/write/buffer-format.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { emptyReplicaUrl, openForWriting, restoredDatabase } from '../../support/written-replica.js'
import { run } from '../run.js'

/**
 * A replica at TXID 1 with an empty table `t (x)`. `busy` is the buffer of an open writer, with one
 * commit for each number from 1 to `rows`; `buffer` is its copy, as after the writer was killed.
 */
async function makeBuffer(t: TestContext, rows = 3) {
  const { directory, files, url } = emptyReplicaUrl(t)
  const setup = await openReplica(url, { write: { lease: false } })
  const first = await openForWriting(t, url)
  first.db.exec('CREATE TABLE t (x)')
  await setup.close()
  const busy = path.join(directory, 'busy.buffer')
  const write = { durability: 'local', lease: false, syncInterval: '1h', bufferPath: busy } as const
  const { db } = await openForWriting(t, url, { write })
  for (let i = 1; i <= rows; i++) db.exec(`INSERT INTO t VALUES (${i})`)
  const buffer = path.join(directory, 'app.buffer')
  copyFileSync(busy, buffer)
  return { directory, files, url, busy, buffer, output: path.join(directory, 'lost.ltx') }
}

/** Rows of the replica with an added exported file, restored with all checks. */
async function rowsWith(t: TestContext, files: string, exported: string): Promise<unknown[]> {
  const copy = path.join(temporaryDirectory(t), 'copy')
  cpSync(files, copy, { recursive: true })
  copyFileSync(exported, path.join(copy, 'ltx/0/0000000000000002-0000000000000002.ltx'))
  const db = await restoredDatabase(t, pathToFileURL(copy).href)
  return db.prepare('SELECT x FROM t ORDER BY x').pluck().all()
}

/** Offsets of the records of a buffer. */
function recordsOf(bytes: Buffer): number[] {
  const offsets: number[] = []
  for (let at = 0; at < bytes.length; at += 16 + bytes.readUInt32BE(at + 4)) offsets.push(at)
  return offsets
}

/** Changes one byte of a file. */
function flip(file: string, at: number, mask: number): void {
  const bytes = readFileSync(file)
  bytes[at]! ^= mask
  writeFileSync(file, bytes)
}

test('buffer show prints the replica, the commits and the last upload, even while a writer has the buffer open', async (t) => {
  const { url, busy, buffer } = await makeBuffer(t)
  const upload = { txid: 2, count: 2, timestamp: 1_700_000_000_000, checksum: '00000000000000ab', size: 99 }
  appendFileSync(buffer, encodeUploadRecord(upload))
  const text = await run(['buffer', 'show', buffer])
  assert.equal(text.status, 0, text.stderr)
  assert.match(text.stdout, /base_txid: +0000000000000001\ncommits: +3\n/)
  assert.match(text.stdout, /last_upload: +TXID 0000000000000002, the first 2 commits, 2023-11-14T22:13:20.000Z\n/)
  assert.match(text.stdout, /damage: +none\n$/)
  const shown = JSON.parse((await run(['buffer', 'show', '-json', busy])).stdout)
  const { commits } = decodeBuffer(readFileSync(busy), busy)!
  assert.deepEqual(shown, {
    file: busy,
    replica: url,
    base_txid: '0000000000000001',
    commits: 3,
    bytes: commits.reduce((sum, { length }) => sum + length, 0),
    size: readFileSync(busy).length,
    torn_bytes: 0,
    last_upload: null,
    damage: null,
  })
})

test('buffer export writes all commits of the buffer to one LTX file that continues the replica, and refuses to replace an existing file', async (t) => {
  const { files, buffer, output } = await makeBuffer(t, 20)
  const before = readFileSync(buffer)
  // The process died while it wrote one more commit.
  appendFileSync(buffer, before.subarray(recordsOf(before).at(-1)!).subarray(0, 100))
  const { torn_bytes } = JSON.parse((await run(['buffer', 'show', '-json', buffer])).stdout)
  assert.equal(torn_bytes, 100)
  const { status, stdout, stderr } = await run(['buffer', 'export', '-o', output, buffer])
  assert.deepEqual([status, stderr], [0, ''])
  assert.match(stdout, /^exported 20 commits to .*lost\.ltx \(.*\)\n.*lost\.ltx follows TXID 0000000000000001 of file:/)
  assert.match(stdout, /ltx\/0\/0000000000000002-0000000000000002\.ltx\n$/)
  assert.equal((await run(['ltx', 'verify', output])).status, 0)
  assert.deepEqual(
    await rowsWith(t, files, output),
    Array.from({ length: 20 }, (_, i) => i + 1),
  )
  const exported = readFileSync(output)
  const again = await run(['buffer', 'export', '-o', output, buffer])
  assert.equal(again.status, 1)
  assert.match(
    again.stderr,
    /^Error: cannot export, output path already exists: .*\nTry: Set -o to a path at which no file exists\.\n$/,
  )
  assert.deepEqual(readFileSync(output), exported)
})

test('buffer show prints the offset of damage in a buffer, and buffer export writes the commits before the damage only if -partial is set', async (t) => {
  const { files, buffer, output } = await makeBuffer(t)
  const second = recordsOf(readFileSync(buffer))[2]!
  flip(buffer, second + 40, 1)
  const shown = await run(['buffer', 'show', '-json', buffer])
  assert.equal(shown.status, 1)
  const { commits, damage } = JSON.parse(shown.stdout)
  assert.deepEqual([commits, damage.offset], [1, second])
  assert.match((await run(['buffer', 'show', buffer])).stdout, /commits: +1 before the damage\n/)
  const refused = await run(['buffer', 'export', '-o', output, buffer])
  assert.deepEqual([refused.status, existsSync(output)], [1, false])
  assert.match(
    refused.stderr,
    /is damaged at byte \d+: .*\nTry: Add -partial to export only the commits before the damaged part of the write buffer \(number of these commits: 1\)\.\n/,
  )
  const partial = await run(['buffer', 'export', '-json', '-partial', '-o', output, buffer])
  assert.match(partial.stderr, /^Warning: .*damaged at byte .*the commits after the damage are not exported\n$/)
  assert.deepEqual([partial.status, JSON.parse(partial.stdout).partial], [0, true])
  assert.deepEqual(await rowsWith(t, files, output), [1])
  const discarded = await run(['buffer', 'discard', buffer])
  assert.deepEqual([discarded.status, existsSync(buffer)], [0, false])
})

test('a wrong record length in the middle of a buffer is reported as damage, not as an incomplete last record', async (t) => {
  const { buffer } = await makeBuffer(t)
  const content = readFileSync(buffer)
  const second = recordsOf(content)[2]!
  for (const byte of [4, 5, 6, 7]) {
    writeFileSync(buffer, content)
    flip(buffer, second + byte, 0x08)
    assert.throws(() => decodeBuffer(readFileSync(buffer), buffer), { code: 'BUFFER_DAMAGED', offset: second })
  }
})

test('buffer discard removes an unused buffer, and refuses a buffer that a writer has open, by whichever path the buffer is named', async (t) => {
  const { directory, busy, buffer, url } = await makeBuffer(t)
  const link = path.join(directory, 'link.buffer')
  symlinkSync(busy, link)
  for (const name of [busy, link]) {
    const { status, stderr } = await run(['buffer', 'discard', name])
    assert.equal(status, 1)
    assert.match(stderr, new RegExp(`^Error: another writer uses .* is being written by process ${process.pid} on `))
  }
  assert.ok(existsSync(busy))
  const { status, stdout } = await run(['buffer', 'discard', buffer])
  assert.deepEqual([status, stdout], [0, `discarded ${buffer}: 3 commits after TXID 0000000000000001 of ${url}\n`])
  assert.ok(!existsSync(buffer))
})

test('the buffer commands refuse a file that is not a write buffer, and do not change the file', async (t) => {
  const directory = temporaryDirectory(t)
  const text = path.join(directory, 'notes.txt')
  const empty = path.join(directory, 'empty')
  writeFileSync(text, 'these notes are no write buffer')
  writeFileSync(empty, '')
  const output = path.join(directory, 'out.ltx')
  for (const command of [['show'], ['discard'], ['export', '-o', output]]) {
    for (const [file, reason] of [
      [text, /is not a write buffer: the file does not begin with the header of a write buffer\nTry: /],
      [empty, /is not a write buffer: the file is empty\nTry: /],
      [directory, /is a directory, not a regular file\nTry: /],
      [path.join(directory, 'none'), /reading the write buffer .*none failed: .*\nTry: /],
    ] as const) {
      const { status, stdout, stderr } = await run(['buffer', ...command, file])
      assert.deepEqual([status, stdout], [1, ''], `${command} ${file}`)
      assert.match(stderr, reason)
    }
  }
  assert.ok(existsSync(text) && existsSync(empty) && !existsSync(output))
  const without = await run(['buffer', 'export', text])
  assert.match(without.stderr, /required option '-o, --output <file>' not specified\nTry: litestream-ts buffer -h/)
})
