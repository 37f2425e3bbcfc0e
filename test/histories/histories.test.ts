// Short histories of those that `npm run histories` runs for the requested duration.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cleanUp } from '../support/clean-up.js'
import { checkedBinary } from '../support/released.js'
import { ifObtainable } from '../support/tool.js'
import { runHistory } from './history.js'
import { STORES } from './places.js'

for (const [i, store] of STORES.entries()) {
  test(`${store}: if writers are killed, stopped and disconnected, no commit is lost, and every state is a commit of one of the writers`, async (t) => {
    const scope = { after: (step: unknown) => cleanUp(t, step as () => unknown) } as typeof t
    const official = ifObtainable(t, 'litestream 0.5.17', () => checkedBinary('0.5.17'))
    const { faults, ...counts } = await runHistory(scope, {
      ...{
        store,
        seed: i + 1,
        seconds: 1,
        writers: 2,
        readers: store === 'file' ? 1 : 0,
        longest: 300,
        sample: 1,
        official,
      },
      say: (line) => t.diagnostic(line),
    })
    t.diagnostic(JSON.stringify({ ...counts, faults: Object.fromEntries(faults) }))
    assert.ok(counts.commits > 0)
  })
}

for (const [i, store] of STORES.entries()) {
  test(`${store}: if a writer with a local buffer is killed and disconnected from the store, no acknowledged commit is lost`, async (t) => {
    const scope = { after: (step: unknown) => cleanUp(t, step as () => unknown) } as typeof t
    const { commits, faults } = await runHistory(scope, {
      ...{ store, seed: i + 4, seconds: 1, writers: 1, readers: 0, longest: 300, sample: 1, isBuffered: true },
      official: undefined,
      say: (line) => t.diagnostic(line),
    })
    t.diagnostic(`${commits} commits, ${JSON.stringify(Object.fromEntries(faults))}`)
    assert.ok(commits > 0)
  })
}
