import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { mergeFiles } from '../../src/compaction/compact.js'
import { LitestreamError } from '../../src/errors.js'
import { formatFileName } from '../../src/ltx/file-name.js'
import { openReplicaClient } from '../../src/storage/open.js'
import type { LtxFileRef } from '../../src/storage/replica-client.js'
import { wrapClient } from '../../src/storage/wrap-client.js'
import { collect } from '../support/collect.js'
import { History } from '../support/history.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

test('if the store refuses a merged file before the body is sent, no input file of the merge stays open', async (t) => {
  const dir = temporaryDirectory(t)
  const client = await openReplicaClient(`file://${dir}/replica`)
  const history = new History(path.join(dir, 'app.db'), client)
  t.after(() => history.close())
  await history.commit('CREATE TABLE t (v)')
  await history.commit('INSERT INTO t VALUES (1)')
  await history.commit('INSERT INTO t VALUES (2)')
  const files = await collect(client.list(0))
  await mergeFiles(client, files, 1)

  for (const code of ['PRECONDITION_FAILED', 'UNAVAILABLE', 'ABORTED'] as const) {
    let [opened, closed] = [0, 0]
    async function* local({ minTxid, maxTxid }: LtxFileRef) {
      opened++
      try {
        const bytes = readFileSync(path.join(dir, 'replica/ltx/0', formatFileName(minTxid, maxTxid)))
        for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000)
      } finally {
        closed++
      }
    }
    const refusing = wrapClient(client, {
      request: async (operation, options, act) => {
        if (operation === 'PUT') throw new LitestreamError(code, 'refused')
        return act(options)
      },
      stream: (_operation, options, act) => act(options),
    })
    const merged = mergeFiles(refusing, files, 1, { local })
    if (code === 'PRECONDITION_FAILED') assert.equal((await merged).maxTxid, 3)
    else await assert.rejects(merged, { code })
    assert.deepEqual([opened, closed], [3, 3], code)
  }
})
