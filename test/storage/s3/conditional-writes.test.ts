import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { isLitestreamError } from '../../../src/errors.js'
import { cleanUp } from '../../support/clean-up.js'
import { s3ClientAt } from '../../support/faulty-s3.js'
import { loopbackS3, sendError } from '../../support/loopback-s3.js'

const file = { level: 0, minTxid: 1, maxTxid: 1 }

test('a store without conditional writes is named as that, with what to do, and nothing is written', async (t) => {
  for (const withBody of [true, false]) {
    const store = await loopbackS3(t, ({ headers }, response) => {
      if (headers['if-none-match'] === undefined && headers['if-match'] === undefined) return false
      if (withBody) sendError(response, 501, 'NotImplemented')
      else response.writeHead(501, { 'content-length': 0 }).end()
      return true
    })
    const client = await s3ClientAt(store.url(), {})
    cleanUp(t, () => client.close())
    const refused = (header: string) => (error: unknown) =>
      isLitestreamError(error, 'STORAGE_FAILED') &&
      error.message.includes(`does not support conditional writes (${header})`) &&
      /If-None-Match/.test(error.hint ?? '')
    const body = randomBytes(100)
    await assert.rejects(client.write(file, body, { timestamp: 1, createOnly: true }), refused('If-None-Match'))
    await assert.rejects(client.putObject('lock.json', body, null), refused('If-None-Match'))
    await assert.rejects(client.putObject('lock.json', body, '"tag"'), refused('If-Match'))
    assert.equal(store.objects.size, 0)
    assert.equal(store.seen.length, 3, 'such a refusal is final')
    await client.write(file, body, { timestamp: 1 })
    assert.equal(store.objects.size, 1)
  }
})
