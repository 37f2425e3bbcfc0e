// Histories of writers and readers of one replica: processes run random transactions through the
// VFS while they are killed, stopped for longer than the lease, and cut off from the store. Then the
// checker compares their logs with the replica: every acknowledged commit is in it exactly once, no
// refused one is, each TXID has one winner, every read was one state, and both this program and the
// released Litestream 0.5.17 restore the states that the writers made. test/histories says how.
// Before that, two writers race for 1,000 commits on a replica in a folder.
//
// usage: npm run histories -- [--seconds N] [--seed N] [--store file|s3|nats]
//   --seconds N  new histories begin for this long; default 300
//   --seed N     of the transactions and faults; default: another one each time, which is printed
//   --store S    only this store; may be repeated; default all three in turn
// Exit status: 0 no violation, 1 a violation: it is printed with its seed, and the logs are kept.
//
// A seed repeats the choices, not the moments at which they take effect. The servers are those of
// `npm test`: installed and started here, or named by TEST_S3_ENDPOINT and TEST_NATS_URL.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { commandLine, randomSeed, refuse, wholeNumber } from './command-line.mjs'

const STORES = ['file', 's3', 'nats']
const root = path.dirname(import.meta.dirname)
const { values } = commandLine(import.meta.filename, {
  options: {
    seconds: { type: 'string', default: '300' },
    seed: { type: 'string', default: randomSeed() },
    store: { type: 'string', multiple: true, default: STORES },
    built: { type: 'boolean', default: false },
  },
})
for (const name of ['seconds', 'seed']) wholeNumber(import.meta.filename, values, name)
const unknown = values.store.find((store) => !STORES.includes(store))
if (unknown !== undefined) {
  refuse(import.meta.filename, `--store must be one of ${STORES.join(', ')}, not '${unknown}'`)
}

if (!values.built) {
  const { status } = spawnSync(path.join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.test.json'], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(1)
}
const { startRunServers } = await import(path.join(root, '.out/test/support/servers/for-run.js'))
const servers = await startRunServers({ s3: values.store.includes('s3'), nats: values.store.includes('nats') })
console.log(`seed ${values.seed}, ${values.seconds} s`)
const main = path.join(root, '.out/test/histories/main.js')
const run = spawn(process.execPath, [main, values.seconds, values.seed, ...values.store], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, ...servers.env },
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => run.kill(signal))
const [status, signal] = await once(run, 'exit')
await servers.stop()
if (signal) console.error(`histories: ended by ${signal}`)
process.exit(status ?? 1)
