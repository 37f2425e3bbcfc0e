import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { addonPath, native } from '../../src/native/addon.js'
import { localRequire, packageRoot } from '../../src/package-files.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

test('native code reads arguments only through napi/arguments.h', () => {
  const folder = path.join(packageRoot(), 'native')
  const unchecked = /\.As<|Uint32Value|Int32Value|Int64Value|Uint64Value|DoubleValue|napi_get_value|\bassert\(/
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => /\.(cc|h)$/.test(file))
  assert.ok(sources.length > 30)
  for (const file of sources) {
    if (/^(napi\/arguments\.|build\/|units\/|vendor\/)/.test(file)) continue
    for (const [i, line] of readFileSync(path.join(folder, file), 'utf8').split('\n').entries()) {
      assert.doesNotMatch(line, unchecked, `${file}:${i + 1}`)
    }
  }
})

test('every native function refuses wrong arguments with a TypeError or RangeError', (t) => {
  const child = fileURLToPath(new URL('./hostile-arguments-child.js', import.meta.url))
  const options = { cwd: temporaryDirectory(t), encoding: 'utf8', timeout: 300_000 } as const
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [child], options)
  assert.deepEqual({ status, signal }, { status: 0, signal: null }, stderr)
  const exported = Object.entries(localRequire(addonPath()) as object)
  const functions = exported.filter(([, value]) => typeof value === 'function')
  assert.deepEqual(JSON.parse(stdout), functions.map(([name]) => name).sort())
})

for (const [what, call, expected] of [
  ['NaN', () => native.createCache(Number.NaN, 64), /^RangeError: createCache: pageSize must be .* got nan$/i],
  ['a fraction', () => native.createCache(512, 64.5), /^RangeError: createCache: slots must be .* got 64\.5$/],
  ['a number that 32 bits would wrap', () => native.createCache(512, 2 ** 32 + 64), /got 4294967360$/],
  ['a page size that is no power of two', () => native.createCache(1000, 64), /pageSize must be a power of two/],
  ['a string', () => native.createCache('512' as unknown as number, 64), /^TypeError: .* got a string$/],
  ['a slot without a page', () => native.touched(native.createCache(512, 64), 3), /no page in this slot/],
  [
    'a short array',
    () => native.sumPages(512, new Uint32Array(2), new Uint8Array(1023)),
    /at least 1024 elements, got 1023/,
  ],
] as const) {
  test(`the error for a wrong argument names ${what}`, () => {
    assert.throws(call, (error) => expected.test(String(error)) || assert.fail(String(error)))
  })
}
