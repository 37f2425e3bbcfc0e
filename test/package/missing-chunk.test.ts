import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { installPacked } from '../support/packed.js'
import { makeSource } from '../support/replica.js'

const app = installPacked({ after: after as TestContext['after'] })
const DIST = path.join(app, 'node_modules/litestream-ts/dist')

/** Path of the one file of the package whose name matches. */
function chunk(pattern: RegExp): string {
  const found = readdirSync(DIST, { recursive: true, encoding: 'utf8' }).filter((file) => pattern.test(file))
  assert.equal(found.length, 1, `${pattern}: ${found.join(', ')}`)
  return path.join(DIST, found[0]!)
}

async function runInApp(name: string, script: string, env: Record<string, string>): Promise<string> {
  const file = path.join(app, `${name}.mjs`)
  writeFileSync(file, script)
  const options = { cwd: app, env: { ...process.env, ...env }, timeout: 120_000 }
  return (await promisify(execFile)(process.execPath, [file], options)).stdout
}

test('a reader whose poll loop cannot be loaded at first reports this, and polls as soon as the poll loop can be loaded', async (t) => {
  const { url, files, history } = await makeSource(t)
  await history.commit('CREATE TABLE t (v TEXT)')
  await history.commit('CREATE TABLE u (v TEXT)')
  const script = `
    import { once } from 'node:events'
    import { renameSync } from 'node:fs'
    import { setTimeout } from 'node:timers/promises'
    import { openReplica } from 'litestream-ts'
    const { URL, CHUNK, FILE } = process.env
    // A replica does not keep the process alive.
    const alive = setInterval(() => {}, 1000)
    renameSync(CHUNK, CHUNK + '.away')
    renameSync(FILE, FILE + '.later')
    const replica = await openReplica(URL, { pollInterval: '50ms' })
    await once(replica, 'error')
    let refused = 0
    await replica.refresh().catch(() => refused++)
    renameSync(CHUNK + '.away', CHUNK)
    renameSync(FILE + '.later', FILE)
    while (replica.txid !== 2) await setTimeout(20)
    console.log(refused, await replica.refresh())
    await replica.close()
    clearInterval(alive)`
  const file = path.join(files, 'ltx/0/0000000000000002-0000000000000002.ltx')
  assert.equal(
    await runInApp('reader', script, { URL: url, CHUNK: chunk(/worker-updates-\w+\.cjs$/), FILE: file }),
    '1 2\n',
  )
})

test('a client of a folder whose writing part cannot be loaded at first writes as soon as this part can be loaded', async (t) => {
  const { url } = await makeSource(t)
  const script = `
    import { renameSync } from 'node:fs'
    import { openReplicaClient } from 'litestream-ts'
    const { URL, CHUNK } = process.env
    const client = await openReplicaClient(URL)
    const write = () => client.write({ level: 0, minTxid: 1, maxTxid: 1 }, Buffer.from('x'), { timestamp: 1 })
    renameSync(CHUNK, CHUNK + '.away')
    let refused = 0
    await write().catch(() => refused++)
    renameSync(CHUNK + '.away', CHUNK)
    console.log(refused, (await write()).size)
    await client.close()`
  assert.equal(await runInApp('writer', script, { URL: url, CHUNK: chunk(/^file-writes-\w+\.js$/) }), '1 1\n')
})
