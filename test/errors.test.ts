import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { deserializeError, isLitestreamError, LitestreamError, serializeError } from '../src/errors.js'
import { packageRoot } from '../src/package-files.js'

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

test('every code is in the documents', () => {
  const read = (...names: string[]) => readFileSync(path.join(packageRoot(), ...names), 'utf8')
  const [, union] = /export type ErrorCode =((?:\n {2}.*)*)/.exec(read('src', 'errors.ts'))!
  const codes = [...union!.matchAll(/\| '([A-Z_]+)'/g)].map(([, code]) => code)
  assert.ok(codes.length > 30)
  const documents = read('docs', 'troubleshooting.md')
  assert.deepEqual(
    codes.filter((code) => !documents.includes(`\`${code}`)),
    [],
  )
})
