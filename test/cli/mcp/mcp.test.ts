import assert from 'node:assert/strict'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import Database from 'better-sqlite3'
import { released } from '../../support/released.js'
import { freePort } from '../../support/servers/free-port.js'
import { until } from '../../support/until.js'
import { startDaemon } from '../daemon/daemon-fixture.js'
import { run } from '../run.js'

// The clients are those of the official SDK.

type Result = {
  readonly content: readonly { readonly text: string }[]
  readonly structuredContent?: Record<string, unknown>
  readonly isError?: boolean
}

async function connect(t: TestContext, url: string) {
  const client = new Client({ name: 'test', version: '1' })
  await client.connect(new StreamableHTTPClientTransport(new URL(url)) as Transport)
  t.after(() => client.close())
  const call = async (name: string, args: object = {}) => {
    const result = (await client.callTool({ name, arguments: { ...args } })) as Result
    return { text: result.content[0]!.text, data: result.structuredContent!, isError: result.isError === true }
  }
  return { client, call }
}

async function daemonWithMcp(t: TestContext) {
  const daemon = await startDaemon(t, 'mcp-addr: 127.0.0.1:0')
  const url = await until(
    'it serves MCP',
    () => /msg="serving MCP".* addr=(http:\S+)/.exec(daemon.daemon.stderr())?.[1],
  )
  return { ...daemon, mcp: url }
}

/** The status of a plain HTTP request. */
function post(url: string, headers: Record<string, string>, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream', ...headers }
    const outgoing = request(url, { method: 'POST', headers: sent }, (response) => {
      response.resume()
      resolve(response.statusCode!)
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

const INITIALIZE = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
})

test('the MCP tools have the names and parameters of Litestream’s MCP tools', async (t) => {
  const fixture = await daemonWithMcp(t)
  const ours = await connect(t, fixture.mcp)
  const { tools } = await ours.client.listTools()
  assert.equal(ours.client.getServerVersion()!.name, 'Litestream MCP Server')
  const official = released(t, '0.5.17')
  if (!official) return
  const port = await freePort()
  const config = path.join(fixture.dir, 'official.yml')
  writeFileSync(
    config,
    `mcp-addr: 127.0.0.1:${port}\ndbs: [{ path: ${fixture.dir}/other.db, replica: { path: ${fixture.dir}/other } }]`,
  )
  official.start(['replicate', '-config', config])
  const theirs = await until('Litestream serves MCP', () =>
    connect(t, `http://127.0.0.1:${port}`).catch(() => undefined),
  )
  const listed = (await theirs.client.listTools()).tools
  assert.equal(theirs.client.getServerVersion()!.name, 'Litestream MCP Server')
  const shape = (all: typeof tools) =>
    all.map(({ name, inputSchema: { properties = {}, required = [] } }) => ({
      name,
      parameters: Object.fromEntries(
        Object.keys(properties)
          .sort()
          .map((key) => [key, (properties[key] as { type: string }).type]),
      ),
      required,
    }))
  assert.deepEqual(shape(tools), shape(listed))
  assert.equal(await fixture.stop(), 0)
})

test('every MCP tool works both for the databases of a running process and for the databases in a configuration file', async (t) => {
  const { dir, file, db, config, mcp, daemon, stop } = await daemonWithMcp(t)
  const { client, call } = await connect(t, `${mcp}/mcp`)
  const version = (await run(['version'])).stdout
  assert.equal((await call('litestream_version')).text, version)
  for (const args of [{}, { config }]) {
    const databases = await call('litestream_databases', args)
    assert.deepEqual(databases.data, { databases: [{ path: file, replica: 'file' }], errors: [] })
    assert.equal(databases.text, (await run(['databases', '-config', config])).stdout)
    const ltx = await call('litestream_ltx', { path: file, ...args })
    const { files } = ltx.data as { files: { level: number; min_txid: string }[] }
    assert.equal(files[0]!.min_txid, '0000000000000001')
    assert.match(ltx.text, /^level +min_txid +max_txid +size +created\n/)
    const status = await call('litestream_status', { path: file, ...args })
    assert.match(status.text, /^database +status +local txid +wal size /)
    const [shown] = status.data.databases as { database: string; status: string }[]
    assert.deepEqual([shown!.database, shown!.status], [file, 'ok'])
    const info = await call('litestream_info', args)
    assert.equal(info.data.config, config)
    assert.ok(info.text.includes(`LTX files of ${file}:\nlevel`), info.text)
  }
  const [{ remote_txid: before }] = (await call('litestream_status')).data.databases as [{ remote_txid: string }]
  db.exec("INSERT INTO t (v) VALUES ('c')")
  const restored = path.join(dir, 'restored.db')
  let reports = 0
  const result = (await client.callTool(
    {
      name: 'litestream_restore',
      arguments: { path: file, o: restored, txid: before, parallelism: '2', if_replica_exists: true },
    },
    undefined,
    { onprogress: () => reports++ },
  )) as Result
  assert.deepEqual([result.isError, result.structuredContent!.txid], [undefined, before])
  assert.ok(reports > 0)
  assert.equal(rows(restored), 2)
  assert.equal((await call('litestream_restore', { path: file, o: restored })).isError, true)
  const again = await call('litestream_restore', { path: file, o: restored, if_db_not_exists: true })
  assert.deepEqual([again.isError, again.data.status], [false, 'output-exists'])

  const reset = await call('litestream_reset', { path: file })
  assert.equal(reset.isError, false, reset.text)
  assert.ok((reset.data.deleted as string[]).length > 0)
  db.exec("INSERT INTO t (v) VALUES ('d')")
  const whole = path.join(dir, 'whole.db')
  await until('the process continues the replica after the reset', async () => {
    await run(['restore', '-force', '-o', whole, '-config', config, file])
    return existsSync(whole) && rows(whole) === 4
  })
  assert.match(daemon.stderr(), /msg="mcp tool called" tool=litestream_reset/)
  assert.equal(await stop(), 0)
})

test('an MCP tool that is called with wrong arguments returns an error with the next step, and writes no file', async (t) => {
  const { dir, file, mcp, stop } = await daemonWithMcp(t)
  const { client, call } = await connect(t, mcp)
  const out = path.join(dir, 'never.db')
  const password = 'correct-horse-battery'
  const before = readdirSync(dir).sort()
  for (const [name, args, message] of [
    ['litestream_restore', {}, /path is required/],
    ['litestream_restore', { path: file, output: out }, /unknown argument "output"/],
    ['litestream_restore', { path: file, timestmp: 'x' }, /Did you mean timestamp\?/],
    ['litestream_restore', { path: `file://${dir}/replica` }, /o is required/],
    ['litestream_restore', { path: file, o: out, txid: 'zz' }, /invalid txid: "zz"[\s\S]*16 hexadecimal/],
    ['litestream_restore', { path: file, o: out, timestamp: '2026-01-01' }, /invalid timestamp/],
    ['litestream_restore', { path: file, o: out, timestamp: 'the day after the moon' }, /time/],
    ['litestream_restore', { path: file, o: out, parallelism: '0' }, /invalid parallelism: "0"[\s\S]*1 to 1000/],
    ['litestream_restore', { path: file, o: out, if_db_not_exists: 'yes' }, /must be true or false/],
    ['litestream_restore', { path: file, o: 'a\0b' }, /without NUL/],
    ['litestream_restore', { path: file, o: `/${'x'.repeat(300)}` }, /more than 255 bytes/],
    ['litestream_restore', { path: file, o: '/' }, /directory|exists/],
    ['litestream_restore', { path: 's3:/bucket/x', o: out }, /not the URL of a replica/],
    ['litestream_restore', { path: `file://${dir}/nothing`, o: out }, /no backup files found/],
    ['litestream_ltx', { path: `${dir}/other.db` }, /database not found/],
    ['litestream_ltx', { path: `ftp://user:${password}@127.0.0.1/b` }, /ftp/],
    ['litestream_databases', { config: '/dev/zero' }, /is .*device, not a regular file/],
    ['litestream_databases', { config: `${dir}/none.yml` }, /config file not found/],
    ['litestream_databases', { config: file }, /NUL|UTF-8|text/],
    ['litestream_status', { path: `${dir}/other.db` }, /database not found/],
    ['litestream_reset', { path: `${dir}/other.db` }, /database does not exist/],
  ] as const) {
    const result = await call(name, args)
    assert.equal(result.isError, true, `${name} ${JSON.stringify(args)}: ${result.text}`)
    assert.match(result.text, message)
    assert.match(result.text, /^Error: [\s\S]*\nTry: \S/)
    assert.deepEqual(Object.keys(result.data), ['error', 'code', 'hint'])
    assert.ok(!result.text.includes(password))
  }
  await assert.rejects(client.callTool({ name: 'litestream_wipe', arguments: {} }), /not found/)
  assert.deepEqual(
    readdirSync(dir)
      .sort()
      .filter((name) => !before.includes(name)),
    [],
  )
  assert.equal(await stop(), 0)
})

test('the MCP server accepts only requests whose Host header names this server, and limits the size of a request', async (t) => {
  const { mcp, stop } = await daemonWithMcp(t)
  const { port } = new URL(mcp)
  assert.equal(await post(mcp, {}, INITIALIZE), 200)
  assert.equal(await post(mcp, { Origin: `http://localhost:${port}` }, INITIALIZE), 200)
  assert.equal(await post(mcp, { Host: `attacker.example:${port}` }, INITIALIZE), 403)
  assert.equal(await post(mcp, { Origin: 'https://attacker.example' }, INITIALIZE), 403)
  assert.equal(await post(mcp, { Origin: 'null' }, INITIALIZE), 403)
  assert.equal(await post(mcp, {}, '{'), 400)
  assert.equal(await post(mcp, {}, '{}'), 400)
  assert.equal(await post(mcp, { 'Mcp-Session-Id': 'none' }, INITIALIZE), 404)
  assert.equal(await post(mcp, {}, JSON.stringify({ x: 'x'.repeat(70_000) })), 413)
  assert.equal((await fetch(mcp)).status, 405)
  // Each of these begins a session: old ones give way, and a client whose session has ended begins
  // another one.
  const first = await connect(t, mcp)
  for (let i = 0; i < 40; i++) assert.equal(await post(mcp, {}, INITIALIZE), 200)
  await assert.rejects(first.call('litestream_version'), /session/i)
  assert.equal((await (await connect(t, mcp)).call('litestream_version')).isError, false)
  assert.equal(await stop(), 0)
})

function rows(file: string): number {
  const db = new Database(file, { readonly: true })
  try {
    return db.prepare('SELECT count(*) FROM t').pluck().get() as number
  } finally {
    db.close()
  }
}
