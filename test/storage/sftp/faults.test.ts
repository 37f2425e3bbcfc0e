import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { isLitestreamError } from '../../../src/errors.js'
import { Lease } from '../../../src/levels/lease.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import type { SftpLocation } from '../../../src/storage/sftp/location.js'
import { SftpReplicaClient } from '../../../src/storage/sftp/sftp-client.js'
import { parseReplicaUrl } from '../../../src/storage/url.js'
import { concatenated, file, inPieces, sha256, testBytes } from '../../conformance/replica-client/bytes.js'
import { runScript } from '../../support/child.js'
import { cleanUp } from '../../support/clean-up.js'
import { collect } from '../../support/collect.js'
import { checkLegacyObjects } from '../../support/legacy-tree.js'
import { notRun } from '../../support/not-run.js'
import { type SshServer, startSshd } from '../../support/servers/sshd.js'
import { sftpSettings, sftpUrl, wholeSftpUrl } from '../../support/sftp.js'
import { startSilentProxy } from '../../support/silent-proxy.js'
import { smallFileSystem } from '../../support/small-file-system.js'
import { roundTrip } from '../../support/store-round-trip.js'

const MiB = 1024 * 1024
const server = await startSshd()
after(() => server.stop())
let folders = 0

/** A client for a new folder. */
async function client(t: Parameters<typeof cleanUp>[0], of: SshServer = server, folder = newFolder(of)) {
  const opened = await openReplicaClient(sftpUrl(of, folder), { sftp: sftpSettings(of) })
  cleanUp(t, () => opened.close())
  return { client: opened, folder, level: path.join(folder, 'ltx/0') }
}

function newFolder(of: SshServer = server): string {
  return path.join(of.directory, `replica${folders++}`)
}

const ltxFiles = (level: string) => readdirSync(level).filter((name) => name.endsWith('.ltx'))

test('a database is replicated to an SFTP server, read through the VFS and restored', async (t) => {
  await roundTrip(t, wholeSftpUrl(server, newFolder()))
})

test('if the SFTP server is killed during a write and a read, the write and the read continue when the server is back', async (t) => {
  const own = await startSshd()
  cleanUp(t, own.stop)
  const { client: writer, level } = await client(t, own)
  const bytes = testBytes(6 * MiB)
  let restarted: Promise<void> | undefined
  const restart = async () => {
    await own.kill()
    await own.start()
  }
  async function* body() {
    let sent = 0
    for await (const piece of inPieces(bytes, 100_000)) {
      sent += piece.byteLength
      if (sent > 3 * MiB) restarted ??= restart()
      yield piece
    }
  }
  const { size } = await writer.write(file(1), body(), { timestamp: 1000, createOnly: true })
  await restarted
  assert.equal(size, bytes.byteLength)
  assert.deepEqual(readdirSync(level), ltxFiles(level))
  assert.equal(sha256(readFileSync(path.join(level, ltxFiles(level)[0]!))), sha256(bytes))
  assert.ok(writer.stats().PUT.retries > 0)

  restarted = undefined
  const parts: Uint8Array[] = []
  for await (const chunk of writer.stream(file(1))) {
    parts.push(chunk)
    restarted ??= restart()
  }
  await restarted
  assert.equal(sha256(Buffer.concat(parts)), sha256(bytes))
})

test('if a file is replaced during an interrupted SFTP download, the client detects the replacement', async (t) => {
  const own = await startSshd()
  cleanUp(t, own.stop)
  const { client: reader, level } = await client(t, own)
  await reader.write(file(1), testBytes(4 * MiB), { timestamp: 1_000_000 })
  const target = path.join(level, ltxFiles(level)[0]!)
  await assert.rejects(
    async () => {
      let replaced = false
      for await (const _ of reader.stream(file(1))) {
        if (replaced) continue
        replaced = true
        await own.kill()
        rmSync(target)
        writeFileSync(target, testBytes(4 * MiB, 2))
        utimesSync(target, 2_000, 2_000)
        await own.start()
      }
    },
    (error) => isLitestreamError(error, 'NOT_FOUND'),
  )
})

test('if a writer is killed during an SFTP upload, no file with an LTX file name remains', async (t) => {
  const folder = newFolder()
  const child = runScript(
    t,
    `const { openReplicaClient } = await import(src + '/storage/open.js')
    const client = await openReplicaClient(${JSON.stringify(wholeSftpUrl(server, folder))})
    async function* body() {
      for (let i = 0; i < 40; i++) {
        if (i === 30) process.kill(process.pid, 'SIGKILL')
        yield new Uint8Array(100_000)
      }
    }
    await client.write({ level: 0, minTxid: 1, maxTxid: 1 }, body(), { timestamp: 1, createOnly: true })`,
  )
  assert.equal(await child.ended, 'SIGKILL', child.errors())
  const level = path.join(folder, 'ltx/0')
  assert.deepEqual(ltxFiles(level), [])
  const [left] = readdirSync(level)
  assert.match(left!, /^0000000000000001-0000000000000001\.ltx\.[0-9a-f]{16}\.tmp$/)
  const { client: other } = await client(t, server, folder)
  assert.deepEqual(await collect(other.list(0)), [])
  await other.write(file(1), testBytes(10), { timestamp: 1, createOnly: true })
  assert.equal((await collect(other.list(0))).length, 1)
})

test('temporary files of writers that were killed more than an hour ago are removed, and other files are kept', async (t) => {
  const folder = newFolder()
  const level = path.join(folder, 'ltx/0')
  mkdirSync(level, { recursive: true })
  const name = '0000000000000001-0000000000000001.ltx'
  const hex = (secondsAgo: number) => Math.floor(Date.now() / 1000 - secondsAgo).toString(16)
  const kept = [`${name}.${hex(60)}01234567.tmp`, `${name}.4711.1700000000.tmp`, 'notes.txt']
  for (const each of [...kept, `${name}.${hex(7200)}01234567.tmp`]) writeFileSync(path.join(level, each), 'x')
  const { client: writer } = await client(t, server, folder)
  await writer.write(file(2), testBytes(10), { timestamp: 1, createOnly: true })
  const left = readdirSync(level).filter((each) => !each.startsWith('0000000000000002'))
  assert.deepEqual(left.sort(), [...kept].sort())
})

test('if an SFTP server becomes silent, a request ends at its deadline or when its AbortSignal is aborted, and the next request reconnects', async (t) => {
  const proxy = await startSilentProxy(t, `127.0.0.1:${server.port}`)
  const folder = newFolder()
  const url = wholeSftpUrl({ ...server, port: Number(proxy.address.split(':')[1]) }, folder)
  const location = parseReplicaUrl(url) as SftpLocation
  const quick = await SftpReplicaClient.open(location, {}, undefined, { attempts: 1, idleTimeout: 300 })
  cleanUp(t, () => quick.close())
  await quick.write(file(1), testBytes(10), { timestamp: 1 })
  proxy.silence()
  await assert.rejects(quick.stat(file(1)), (error) => isLitestreamError(error, 'TIMEOUT', 'UNAVAILABLE'))
  const controller = new AbortController()
  const waiting = quick.stat(file(1), { signal: controller.signal })
  setImmediate(() => controller.abort())
  await assert.rejects(waiting, (error) => isLitestreamError(error, 'ABORTED'))
})

test('create-only writes work on an SFTP server without extensions, but leases need a server with hard links', async (t) => {
  for (const refused of ['hardlink', 'hardlink,posix-rename,fsync,statvfs,fstatvfs']) {
    const own = await startSshd({ sftp: `-P ${refused}` })
    cleanUp(t, own.stop)
    const { client: one, folder, level } = await client(t, own)
    const { client: other } = await client(t, own, folder)
    for (let txid = 1; txid <= 4; txid++) {
      const writes = await Promise.allSettled(
        [one, other].map((each, i) =>
          each.write(file(txid), testBytes(50_000, i + 1), { timestamp: 1, createOnly: true }),
        ),
      )
      const lost = writes.flatMap((write) => (write.status === 'rejected' ? [write.reason] : []))
      assert.equal(lost.length, 1, refused)
      assert.ok(isLitestreamError(lost[0], 'PRECONDITION_FAILED'), String(lost[0]))
      assert.equal((await concatenated(one.stream(file(txid)))).byteLength, 50_000)
    }
    await one.write(file(1), testBytes(7), { timestamp: 1 })
    assert.equal((await one.stat(file(1))).size, 7)
    assert.equal(readdirSync(level).length, 4, 'nothing else is left')
    const { reason, ...guarantees } = await one.guarantees!.ask()
    assert.deepEqual(guarantees, { createOnly: refused === 'hardlink', compareAndSet: false })
    assert.match(reason!, /hard links/)
    await assert.rejects(
      new Lease(one, { ttl: 30_000 }).acquire(),
      (error) => isLitestreamError(error, 'STORAGE_FAILED') && /hard links/.test(error.message),
    )
    // The record of the writer is kept all the same.
    const tag = await one.putObject('primary.json', testBytes(5), null)
    assert.equal((await other.getObject('primary.json'))?.tag, tag)
    await one.deleteObject('primary.json', tag)
  }
})

test('a writer claims a name with an empty file, which is not listed, and another writer can take this name after one minute', async (t) => {
  const own = await startSshd({ sftp: '-P hardlink' })
  cleanUp(t, own.stop)
  const { client: writer, level } = await client(t, own)
  mkdirSync(level, { recursive: true })
  const claim = path.join(level, '0000000000000001-0000000000000001.ltx')
  writeFileSync(claim, '')
  assert.deepEqual(await collect(writer.list(0)), [])
  await assert.rejects(writer.read(file(1), { suffix: 1 }), (error) => isLitestreamError(error, 'NOT_FOUND'))
  const write = () => writer.write(file(1), testBytes(10), { timestamp: 1, createOnly: true })
  await assert.rejects(write(), (error) => isLitestreamError(error, 'PRECONDITION_FAILED'))
  const before = Date.now() / 1000 - 120
  utimesSync(claim, before, before)
  await write()
  assert.equal(statSync(claim).size, 10)
})

test('the SFTP client lists and reads the files of a Litestream 0.3 replica', async (t) => {
  const { client: reader, folder } = await client(t)
  assert.deepEqual(await collect(reader.legacy!.list('generations/')), [])
  await checkLegacyObjects(reader, folder)
})

test('if the server’s disk is full, the error is DISK_FULL, and no part of the file remains', async (t) => {
  const folder = newFolder()
  if (smallFileSystem(t, folder, '1m') === undefined) return notRun(t, 'a small disk', 'mount is not permitted')
  const { client: writer, level } = await client(t, server, folder)
  await assert.rejects(
    writer.write(file(1), inPieces(testBytes(3 * MiB), 65_536), { timestamp: 1, createOnly: true }),
    (error) => isLitestreamError(error, 'DISK_FULL'),
  )
  assert.deepEqual(readdirSync(level), [])
})

test('a file in place of the replica’s directory and a port without a server are reported as errors', async (t) => {
  const folder = newFolder()
  writeFileSync(folder, 'x')
  await assert.rejects(client(t, server, folder), (error) => isLitestreamError(error, 'STORAGE_FAILED'))
  const gone = await startSshd()
  await gone.stop()
  const location = parseReplicaUrl(sftpUrl(gone, '/x')) as SftpLocation
  const settings = { keyPath: server.keyPath, hostKey: server.hostKey }
  await assert.rejects(
    SftpReplicaClient.open(location, settings, undefined, { attempts: 1 }),
    (error) => isLitestreamError(error, 'UNAVAILABLE') && /no server listens/.test(error.hint),
  )
})
