import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLitestreamError } from '../../src/errors.js'
import * as api from '../../src/index.js'

/** Calls that a JavaScript program can make and TypeScript refuses. */
type Loose = (...args: unknown[]) => Promise<unknown>
const functions: Readonly<Record<string, unknown>> = { ...api }
const call = (name: keyof typeof api) => functions[name] as Loose
const URL_ = 'file:///nowhere/replica'

const CASES: readonly (readonly [name: keyof typeof api, args: readonly unknown[], words: RegExp])[] = [
  ['openReplica', [undefined], /url must be non-empty text/],
  ['openReplica', [5], /url must be non-empty text/],
  ['openReplica', [''], /url must be non-empty text/],
  ['openReplica', ['file:///a\0b'], /NUL/],
  ['openReplica', [URL_, null], /options must be an object/],
  ['openReplica', [URL_, { cacheSzie: 1 }], /unknown option "cacheSzie"/],
  ['openReplica', [URL_, { hydrate: '' }], /hydrate must be a path or true, not empty text/],
  ['openReplica', [URL_, { hydrate: 'a\0b' }], /hydrate must be a path or true, not the given text/],
  ['openReplica', [URL_, { hedge: 'yes' }], /hedge must be true or false/],
  ['openReplica', [URL_, { signal: {} }], /signal must be an AbortSignal/],
  ['openReplica', [URL_, { timeout: Number.NaN }], /timeout must be/],
  ['openReplica', [URL_, { cacheSize: {} }], /cacheSize must be a size of at least 0 bytes.*, not an object/],
  ['openReplicaClient', [undefined], /a replica URL is text/],
  ['openReplicaClient', [URL_, { s3: 'x' }], /s3 must be an object/],
  ['replicate', [undefined, URL_], /path must be non-empty text/],
  ['replicate', ['a\0b', URL_], /path must be non-empty text/],
  ['replicate', ['/nowhere/a.db', URL_, { leese: true }], /unknown option "leese"/],
  ['replicate', ['/nowhere/a.db', URL_, { lease: 'yes' }], /lease must be true or false/],
  ['replicate', ['/nowhere/a.db', URL_, { monitorInterval: -1 }], /monitorInterval/],
  ['replicateOnce', [{}, URL_], /path must be non-empty text/],
  ['restore', [undefined, { output: 'x' }], /replica must be the URL of a replica, or a client that openReplicaClient/],
  ['restore', ['', { output: 'x' }], /replica must be the URL/],
  ['restore', ['ftp://host/app.db', { output: 'x' }], /ftp/],
  ['mirror', [URL_, 7], /destination must be the URL/],
  ['verifyReplica', [{}], /replica must be/],
  ['inspectLtx', [{}, {}], /replica must be/],
]

test('the error for a wrong argument of a public function is INVALID_ARGUMENT and states the argument’s name and the next step', async () => {
  for (const [name, args, words] of CASES) {
    await assert.rejects(
      async () => call(name)(...args),
      (error: unknown) => {
        assert.ok(isLitestreamError(error, 'INVALID_ARGUMENT', 'INVALID_URL', 'CONFIG_INVALID'), `${name}: ${error}`)
        assert.match(error.message, words, name)
        assert.ok(error.hint.length > 10)
        return true
      },
    )
  }
})

test('every option of every public function is checked', async () => {
  const client = { list: () => {} }
  for (const [name, options, words] of [
    ['restore', {}, /output must be non-empty text/],
    ['restore', { output: 'x', txid: 2 ** 53 }, /txid must be a whole number of at least 1/],
    ['restore', { output: 'x', txid: 0 }, /txid/],
    ['restore', { output: 'x', timestamp: 9e15 }, /timestamp must be a Date or a time/],
    ['restore', { output: 'x', timestamp: new Date(Number.NaN) }, /timestamp must be a Date or a time/],
    ['restore', { output: 'x', parallelism: 0 }, /parallelism must be a whole number from 1 to 1000/],
    ['restore', { output: 'x', integrityCheck: 'deep' }, /integrityCheck must be one of/],
    ['restore', { output: 'x', ouput: 'y' }, /unknown option "ouput"/],
    ['follow', { output: 'x' }, /signal must be an AbortSignal/],
    ['follow', { output: 'x', signal: AbortSignal.abort(), interval: -5 }, /interval/],
    [
      'follow',
      { output: 'x', signal: AbortSignal.abort(), interval: 'soon' },
      /interval must be a duration of 1ms or more/,
    ],
    ['verifyReplica', { timeout: '5 parsecs' }, /timeout must be a duration/],
    ['verifyReplica', { storage: 'x' }, /storage must be an object/],
    ['compact', { level: 9 }, /level must be a whole number from 1 to 8/],
    ['compact', { level: 1.5 }, /level/],
    ['enforceL0Retention', { l0Retention: Number.NaN }, /l0Retention/],
    ['enforceSnapshotRetention', {}, /retention/],
    ['planRestore', { txid: 'x' }, /txid/],
  ] as const) {
    await assert.rejects(async () => call(name)(client, options), { code: 'INVALID_ARGUMENT', message: words })
  }
})
