import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { Script } from 'node:vm'
import { installPacked } from '../support/packed.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const installed = path.join(installPacked({ after: after as TestContext['after'] }), 'node_modules/litestream-ts')

/** A file as scripts/bundle.mjs makes them. */
const CODE = `(function(exports,require,module,__filename,__dirname){'use strict';
exports.value = 42; exports.file = __filename; exports.directory = __dirname; exports.sum = require('node:path').join('a', 'b')
})`

/** The compiled form of a script that says other than CODE, and is as long. */
const OTHER = CODE.replace('42', '24')

function codeFile(t: TestContext): string {
  const file = path.join(temporaryDirectory(t), 'one-code.js')
  writeFileSync(file, CODE)
  return file
}

/** In a process of its own: V8 takes what it has compiled before, whatever it is given. */
function run(file: string): { readonly value: number } {
  const loader = path.join(installed, 'dist/cached-code.cjs')
  const script = 'console.log(JSON.stringify(require(process.argv[1]).runCode(process.argv[2])))'
  return JSON.parse(execFileSync(process.execPath, ['-e', script, loader, file], { encoding: 'utf8' }))
}

const compiled = (source: string, file: string) => new Script(source, { filename: file }).createCachedData()

test('installing makes the compiled form of the worker and of the SDK, which this Node.js takes; none is published', () => {
  const files = (ending: string) =>
    readdirSync(installed, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith(ending))
  const caches = () => files('.cache')
  assert.deepEqual(caches(), [])
  const { scripts } = JSON.parse(readFileSync(path.join(installed, 'package.json'), 'utf8'))
  const script = String(scripts.install).split(' && ').at(-1)!
  execFileSync('sh', ['-c', script], { cwd: installed })
  const code = files('-code.js')
  for (const one of ['replica/worker/worker', 'storage/s3/aws']) assert.ok(code.includes(`dist/${one}-code.js`), one)
  assert.deepEqual(caches().sort(), code.map((file) => `${file}.cache`).sort())
  for (const cache of caches()) {
    const file = path.join(installed, cache.replace(/\.cache$/, ''))
    const script = new Script(readFileSync(file, 'latin1'), {
      filename: file,
      cachedData: readFileSync(path.join(installed, cache)),
    })
    assert.equal(script.cachedDataRejected, false, cache)
  }
})

test('a module of a bundle runs with its compiled form, and without', (t) => {
  const file = codeFile(t)
  const expected = { value: 42, file, directory: path.dirname(file), sum: 'a/b' }
  assert.deepEqual(run(file), expected)
  // What is run is the compiled form: this one says something else.
  writeFileSync(`${file}.cache`, compiled(OTHER, file))
  assert.deepEqual(run(file), { ...expected, value: 24 })
})

test('a compiled form that is older than the module, of another one, of another V8 or cut off is not taken', (t) => {
  const file = codeFile(t)
  const other = compiled(OTHER, file)
  for (const [what, bytes] of [
    ['empty', Buffer.alloc(0)],
    ['no such thing', Buffer.from('not what V8 wrote')],
    ['of another version', Buffer.from(other).fill(0x55, 4, 8)],
    ['cut off', other.subarray(0, other.length / 2)],
    ['of a longer module', compiled(`${OTHER} `, file)],
  ] as const) {
    writeFileSync(`${file}.cache`, bytes)
    assert.equal(run(file).value, 42, what)
  }
  writeFileSync(`${file}.cache`, other)
  utimesSync(`${file}.cache`, 1000, 1000)
  assert.equal(run(file).value, 42, 'older')
})
