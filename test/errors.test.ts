import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { HINTS } from '../src/error-hints.js'
import {
  deserializeError,
  isLitestreamError,
  LitestreamError,
  serializeError,
  toLitestreamError,
} from '../src/errors.js'
import { fsError } from '../src/fs/fs-error.js'
import { packageRoot } from '../src/package-files.js'

test('an error that is passed to another thread keeps its code, hint, file, offset and page number', () => {
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

test('docs/troubleshooting.md describes every error code', () => {
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

test('all source files except four throw only errors with a code and a next step', () => {
  const allowed = [
    'src/cli/process-health.ts', // caught there, and returned as the reason
    'src/integrity/btree/database-pages.ts', // caught by check-structure.ts
    'src/status/browser/main.ts', // in the browser
    'src/util/json-shape.ts', // caught by what reads the JSON
  ]
  const root = packageRoot()
  const files = readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((f) =>
    f.endsWith('.ts'),
  )
  assert.ok(files.length > 200)
  const found = files
    .map((file) => path.join('src', file))
    .filter((file) => /throw new (Error|TypeError|RangeError)\(/.test(readFileSync(path.join(root, file), 'utf8')))
  assert.deepEqual(found.sort(), allowed)
})

test('an error of another library is converted to a LitestreamError according to its code, and a bug of this package becomes INTERNAL', () => {
  const errno = (code: string) => Object.assign(new Error(`${code}: said, open '/x'`), { code })
  const codes: Record<string, string> = {
    ENOENT: 'NOT_FOUND',
    EACCES: 'ACCESS_DENIED',
    EPERM: 'ACCESS_DENIED',
    EROFS: 'ACCESS_DENIED',
    ENOTDIR: 'STORAGE_FAILED',
    EISDIR: 'STORAGE_FAILED',
    ELOOP: 'STORAGE_FAILED',
    ENAMETOOLONG: 'STORAGE_FAILED',
    ENOSPC: 'DISK_FULL',
    EDQUOT: 'DISK_FULL',
    EMFILE: 'UNAVAILABLE',
    ENFILE: 'UNAVAILABLE',
    ESTALE: 'UNAVAILABLE',
    EIO: 'STORAGE_FAILED',
    SQLITE_BUSY: 'DATABASE_BUSY',
    SQLITE_READONLY_DBMOVED: 'ACCESS_DENIED',
    SQLITE_NOTADB: 'DATABASE_INVALID',
    EWHATEVER: 'INTERNAL',
  }
  for (const [code, ours] of Object.entries(codes)) {
    const error = toLitestreamError(errno(code))
    assert.equal(error.code, ours, code)
    assert.match(error.message, /said, open '\/x'/)
    assert.ok(error.hint.length > 10, code)
    assert.equal(fsError(errno(code), 'reading', '/x').code, ours)
    assert.equal(deserializeError(serializeError(errno(code))).code, ours)
  }
  assert.equal(toLitestreamError(new TypeError('x is not a function')).code, 'INTERNAL')
  assert.equal(toLitestreamError('text').code, 'INTERNAL')
  assert.equal(toLitestreamError(undefined).code, 'INTERNAL')
  assert.equal(toLitestreamError(AbortSignal.abort().reason).code, 'ABORTED')
  assert.equal(toLitestreamError(new DOMException('late', 'TimeoutError')).code, 'TIMEOUT')
})

test('an error message has a bounded length, even if the store returns a long text', () => {
  const { message } = new LitestreamError('STORAGE_FAILED', `listing failed: ${'A'.repeat(1_000_000)}`)
  assert.match(message, /^listing failed: A{1000,}… \(\d+ characters\)$/)
  assert.ok(message.length < 10_100)
})

test('every error code has its own hint', () => {
  const hints = Object.values(HINTS)
  for (const hint of hints) assert.match(hint, /^[A-Z].{8,}\.$/)
})
