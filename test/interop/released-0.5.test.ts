import { test } from 'node:test'
import { PAGE_SIZES, playRound, STORES } from '../support/interop-round.js'
import { Random } from '../support/random.js'
import { released } from '../support/released.js'

// `npm run interop -- --seconds N --seed S` plays more rounds; each has a seed, which its title and
// its errors name.
const seconds = Number(process.env.LITESTREAM_INTEROP_SECONDS ?? 0)
const seed = Number(process.env.LITESTREAM_INTEROP_SEED ?? 20_261_130)

/** The gate's rounds: each store, and page sizes from the smallest to the largest. */
const ROUNDS = [
  ['file', 512],
  ['s3', 4096],
  ['nats', 1024],
  ['file', 65536],
] as const

for (const [i, [store, pageSize]] of ROUNDS.entries()) {
  const random = new Random(seed + i)
  test(`Litestream 0.5.17 and litestream-ts take turns on one database in ${store}, pages of ${pageSize} bytes, seed ${random.seed}`, async (t) => {
    const official = released(t, '0.5.17')
    if (official) await playRound(t, { official, random, store, pageSize, stages: 4 })
  })
}

if (seconds > 0) {
  test(`Litestream and litestream-ts take turns on random databases for ${seconds} s from seed ${seed}`, async (t) => {
    const end = performance.now() + seconds * 1000
    for (let i = 100; performance.now() < end; i++) {
      const random = new Random(seed + i)
      const store = random.pick(STORES)
      const pageSize = random.pick(PAGE_SIZES)
      const title = `${store}, pages of ${pageSize} bytes, seed ${random.seed}`
      await t.test(title, async (round) => {
        const official = released(round, '0.5.17')
        if (official) await playRound(round, { official, random, store, pageSize, stages: random.integer(3, 10) })
      })
    }
  })
}
