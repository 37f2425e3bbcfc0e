// Interoperation with the released Litestream programs, longer than in the gate: rounds with random
// stores, page sizes, changes, writers and orders, until the time is over. A round that fails names
// its seed.
//
// usage: npm run interop -- [--seconds N] [--seed S]
//   --seconds N  for the rounds; default 300
//   --seed S     of the first round; default: another one each time
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { commandLine, randomSeed, wholeNumber } from './command-line.mjs'

const { values } = commandLine(import.meta.filename, {
  options: {
    seconds: { type: 'string', default: '300' },
    seed: { type: 'string', default: randomSeed() },
  },
})
for (const name of ['seconds', 'seed']) wholeNumber(import.meta.filename, values, name)
console.log(`interop: ${values.seconds} s from seed ${values.seed}`)
const test = path.join(import.meta.dirname, 'test.mjs')
const { status } = spawnSync(process.execPath, [test, 'interop/released-'], {
  stdio: 'inherit',
  env: { ...process.env, LITESTREAM_INTEROP_SECONDS: values.seconds, LITESTREAM_INTEROP_SEED: values.seed },
})
process.exit(status ?? 1)
