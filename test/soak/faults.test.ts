// One round of the soak that `npm run soak:faults` repeats for a given time.
import { test } from 'node:test'
import { cleanUp } from '../support/clean-up.js'
import { soakFaults } from './fault-soak.js'

test('after one fault of each kind occurs at the same time, every database is replicated again without a restart', async (t) => {
  const scope = { after: (step: unknown) => cleanUp(t, step as () => unknown) } as typeof t
  const { slowest } = await soakFaults(scope, {
    ...{ seconds: 1, seed: 5, longest: 1500, faults: [8, 10], deadline: 120_000 },
    say: (line) => t.diagnostic(line),
  })
  t.diagnostic(`replicated after ${Math.round(slowest)} ms`)
})
