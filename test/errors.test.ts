import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deserializeError, isLitestreamError, LitestreamError, serializeError } from '../src/errors.js'

test('an error keeps code, hint and place over a thread boundary', () => {
  const error = new LitestreamError('LTX_CORRUPT', 'bad page', {
    file: 'a.ltx',
    offset: 7,
    pgno: 3,
    hint: 'Run verify.',
  })
  const back = deserializeError(structuredClone(serializeError(error)))
  assert.deepEqual(
    [back.code, back.message, back.file, back.offset, back.pgno, back.hint],
    ['LTX_CORRUPT', 'bad page', 'a.ltx', 7, 3, 'Run verify.'],
  )
  assert.ok(isLitestreamError(back, 'LTX_CORRUPT') && !isLitestreamError(back, 'LTX_GAP'))
})
