// Interoperation with the released Litestream programs, longer than in the gate: rounds with random
// stores, page sizes, changes, writers and orders, until the time is over. A round that fails names
// its seed.
//
// usage: npm run interop -- [--seconds N] [--seed S]
//   --seconds N  for the rounds; default 300
//   --seed S     of the first round; default: another one each time
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '300' },
    seed: { type: 'string', default: String(1 + Math.floor(Math.random() * 0x7ffffff)) },
  },
})
for (const name of ['seconds', 'seed']) {
  if (!/^[1-9]\d{0,8}$/.test(values[name])) {
    console.error(`interop: --${name} must be a whole number from 1, not ${values[name]}`)
    process.exit(2)
  }
}
console.log(`interop: ${values.seconds} s from seed ${values.seed}`)
const test = path.join(import.meta.dirname, 'test.mjs')
const { status } = spawnSync(process.execPath, [test, 'interop/released-'], {
  stdio: 'inherit',
  env: { ...process.env, LITESTREAM_INTEROP_SECONDS: values.seconds, LITESTREAM_INTEROP_SEED: values.seed },
})
process.exit(status ?? 1)
