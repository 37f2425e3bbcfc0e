// Random faults around a daemon that replicates databases to a folder, S3 and NATS: steps of the
// wall clock, removed and replaced folders, revoked rights, stores that are dead, silent or refuse,
// no descriptor left, a stopped process. After each round of faults every database must become
// replicated again without a restart; test/soak contains the checks.
//
// usage: npm run soak:faults -- [--seconds N] [--seed N]
//   --seconds N  new rounds begin for this long; default 600
//   --seed N     of the random faults; default: another one each time, which is printed
// Exit status: 0 all was replicated again, 1 it was not: the files and the daemon's log are kept,
// and their folder is printed.
//
// Needs Linux, a C compiler and prlimit; run as root, it runs the daemon and the application as the
// user `nobody`. The servers are those of `npm test`: installed and started here, or named by
// TEST_S3_ENDPOINT and TEST_NATS_URL.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { commandLine, randomSeed, wholeNumber } from './command-line.mjs'

const root = path.dirname(import.meta.dirname)
const { values } = commandLine(import.meta.filename, {
  options: {
    seconds: { type: 'string', default: '600' },
    seed: { type: 'string', default: randomSeed() },
    built: { type: 'boolean', default: false },
  },
})
for (const name of ['seconds', 'seed']) wholeNumber(import.meta.filename, values, name)

if (!values.built) {
  const { status } = spawnSync(path.join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.test.json'], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(1)
}
const { startRunServers } = await import(path.join(root, '.out/test/support/servers/for-run.js'))
const servers = await startRunServers({ s3: true, nats: true })
console.log(`seed ${values.seed}, ${values.seconds} s`)
const soak = spawn(process.execPath, [path.join(root, '.out/test/soak/main.js'), values.seconds, values.seed], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, ...servers.env },
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => soak.kill(signal))
const [status, signal] = await once(soak, 'exit')
await servers.stop()
if (signal) console.error(`soak:faults: ended by ${signal}`)
process.exit(status ?? 1)
