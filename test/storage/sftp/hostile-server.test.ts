// SFTP servers that answer as no OpenSSH does.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import ssh2, { type Connection, type SFTPWrapper } from 'ssh2'
import { isLitestreamError } from '../../../src/errors.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { file, testBytes } from '../../conformance/replica-client/bytes.js'
import { cleanUp } from '../../support/clean-up.js'
import { collect } from '../../support/collect.js'

const { STATUS_CODE } = ssh2.utils.sftp
const hostKey = ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 })
const NAME = '0000000000000001-0000000000000001.ltx'
const DIRECTORY = { mode: 0o40755, uid: 0, gid: 0, size: 0, atime: 1, mtime: 1 }
const FILE = { mode: 0o100644, uid: 0, gid: 0, size: 100_000, atime: 1, mtime: 1_700_000_000 }

interface Behaviour {
  /** Entries of each directory; default: none. */
  readonly entries?: (path: string) => readonly object[]
  /** Attributes of an open file. */
  readonly attributes?: object
  /** Bytes of a read; undefined: the end of the file. */
  readonly read?: (offset: number, length: number) => Buffer | undefined
}

/** Serves SFTP on 127.0.0.1 for the password "sample-pw-3". */
async function serve(t: TestContext, behaviour: Behaviour) {
  const connections = new Set<Connection>()
  const state = { accepts: true, logins: 0 }
  const server = new ssh2.Server({ hostKeys: [hostKey.private] }, (connection) => {
    connections.add(connection)
    connection.on('error', () => undefined)
    connection.on('close', () => connections.delete(connection))
    connection.on('authentication', (context) => {
      if (context.method !== 'password') return context.reject(['password'])
      state.logins++
      if (state.accepts && context.password === 'sample-pw-3') context.accept()
      else context.reject()
    })
    connection.on('session', (accept) => accept().on('sftp', (acceptSftp) => answer(acceptSftp(), behaviour)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const drop = () => {
    for (const connection of connections) connection.end()
  }
  cleanUp(t, () => {
    drop()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const url = `sftp://me:sample-pw-3@127.0.0.1:${port}/replica?insecureHostKey=true`
  const client = await openReplicaClient(url)
  cleanUp(t, () => client.close())
  return { client, state, drop }
}

function answer(sftp: SFTPWrapper, { entries = () => [], attributes = FILE, read }: Behaviour): void {
  const paths = new Map<number, string | undefined>()
  let handles = 0
  const handle = (id: number, path?: string) => {
    paths.set(++handles, path)
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(handles)
    sftp.handle(id, bytes)
  }
  sftp.on('OPENDIR', (id, path) => handle(id, path))
  sftp.on('READDIR', (id, of) => {
    const path = paths.get(of.readUInt32BE())
    paths.set(of.readUInt32BE(), undefined)
    const found = path === undefined ? [] : entries(path)
    if (found.length === 0) sftp.status(id, STATUS_CODE.EOF)
    else sftp.name(id, found as never)
  })
  sftp.on('STAT', (id) => sftp.attrs(id, DIRECTORY))
  sftp.on('OPEN', (id) => handle(id))
  sftp.on('FSTAT', (id) => sftp.attrs(id, attributes as never))
  sftp.on('READ', (id, _handle, offset, length) => {
    const data = read?.(offset, length)
    if (data === undefined) sftp.status(id, STATUS_CODE.EOF)
    else sftp.data(id, data)
  })
  sftp.on('CLOSE', (id) => sftp.status(id, STATUS_CODE.OK))
}

test('if a server sends no attributes with its directory entries, the client reads the file type from the long name of the entry', async (t) => {
  const { client } = await serve(t, {
    entries: (path) =>
      path.endsWith('/ltx/0')
        ? [
            { filename: NAME, longname: `-rw-r--r-- 1 me me 9 Jan 1 ${NAME}`, attrs: { size: 9, atime: 1, mtime: 2 } },
            { filename: `${NAME}x`, longname: 'drwxr-xr-x', attrs: {} },
          ]
        : path.endsWith('/ltx')
          ? [{ filename: '0', longname: 'drwxr-xr-x 1 me me 9 Jan 1 0', attrs: {} }]
          : [{ filename: 'ltx', longname: 'drwxr-xr-x 1 me me 9 Jan 1 ltx', attrs: {} }],
  })
  assert.deepEqual(
    (await collect(client.list(0))).map(({ minTxid, size, createdAt }) => [minTxid, size, createdAt]),
    [[1, 9, 2000]],
  )
  assert.deepEqual(await collect(client.replicas!()), [''])
})

test('a directory entry without a size or a time is an error, and is never left out of the listing', async (t) => {
  const { client } = await serve(t, { entries: () => [{ filename: NAME, longname: '-rw-r--r--', attrs: {} }] })
  await assert.rejects(collect(client.list(0)), (error) => isLitestreamError(error, 'STORAGE_FAILED'))
})

test('the SFTP client does not visit names that lead out of a directory', async (t) => {
  const visited: string[] = []
  const folder = (filename: string) => ({ filename, longname: 'drwxr-xr-x', attrs: DIRECTORY })
  const { client } = await serve(t, {
    entries: (path) => {
      visited.push(path)
      return path === '/replica' ? ['.', '..', '../etc', 'a/b', '/etc', 'new\nline'].map(folder) : []
    },
  })
  assert.deepEqual(await collect(client.replicas!()), [])
  assert.deepEqual(visited, ['/replica', '/replica/new\nline'])
})

test('short reads are joined, and a file that ends before its stated size is an error and takes little memory', async (t) => {
  const bytes = Buffer.from(testBytes(FILE.size))
  const short = await serve(t, { read: (offset, length) => bytes.subarray(offset, offset + Math.min(length, 700)) })
  const { data } = await short.client.read(file(1), { offset: 10, length: 50_000 })
  assert.ok(bytes.subarray(10, 50_010).every((byte, i) => byte === data[i]))

  const liar = await serve(t, {
    attributes: { ...FILE, size: 2 ** 45 },
    read: (offset, length) => (offset < 100_000 ? Buffer.alloc(length) : undefined),
  })
  const before = process.memoryUsage().arrayBuffers
  for (const range of [{ offset: 0 }, { offset: 0, length: 2 ** 44 }, { suffix: 2 ** 40 }]) {
    await assert.rejects(liar.client.read(file(1), range), (error) => isLitestreamError(error, 'STORAGE_FAILED'))
  }
  assert.ok(process.memoryUsage().arrayBuffers - before < 64 * 2 ** 20)
})

test('if the server refuses the login after a lost connection, the error is ACCESS_DENIED, and the next operation logs in again', async (t) => {
  const { client, state, drop } = await serve(t, {})
  state.accepts = false
  drop()
  await assert.rejects(collect(client.list(0)), (error) => {
    assert.ok(isLitestreamError(error, 'ACCESS_DENIED'), String(error))
    assert.match(error.hint, /`password`/)
    assert.doesNotMatch(`${error.message} ${error.hint} ${error.stack}`, /sample-pw-3/)
    return true
  })
  state.accepts = true
  assert.deepEqual(await collect(client.list(0)), [])
})
