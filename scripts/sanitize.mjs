// Builds the addon with a sanitizer, into .cache/sanitize/NAME, and runs the tests that go through
// native code with it.
//
// usage: node scripts/sanitize.mjs address|undefined|thread [PATTERN…]
//   PATTERN      run only the test files whose path contains one of the patterns; default: the tests
//                of the native parts
//
// Node itself is not instrumented: the sanitizer's runtime is preloaded, and what only its own code
// does is left out below, each time with the reason.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { commandLine, refuse } from './command-line.mjs'

const root = path.dirname(import.meta.dirname)
const { positionals } = commandLine(import.meta.filename, { names: true })
const [sanitizer, ...patterns] = positionals
const RUNTIMES = { address: 'libasan.so', undefined: 'libubsan.so', thread: 'libtsan.so' }
if (!(sanitizer in RUNTIMES)) {
  refuse(import.meta.filename, `the first argument must be one of ${Object.keys(RUNTIMES).join(', ')}`)
}
const wanted = patterns.length > 0 ? patterns : ['ltx/', 'replica/', 'compaction/merge', 'primary/replicate']
// Counts the calls of the ordinary build, by a library that is loaded in the place of the
// sanitizer's.
const LEFT_OUT = 'replica/hot-path.test.js'

// A separate build tree, so that the normal build stays unchanged.
const tree = path.join(root, '.cache', 'sanitize', sanitizer)
rmSync(tree, { recursive: true, force: true })
mkdirSync(tree, { recursive: true })
for (const name of [
  'native',
  'scripts',
  'src',
  'test',
  'bench',
  'docs',
  'package.json',
  'tsconfig.json',
  'tsconfig.test.json',
]) {
  cpSync(path.join(root, name), path.join(tree, name), { recursive: true })
}
symlinkSync(path.join(root, 'node_modules'), path.join(tree, 'node_modules'))
/** Exit status. */
const run = (command, args, env = {}) =>
  spawnSync(command, args, { cwd: tree, stdio: 'inherit', env: { ...process.env, ...env } }).status ?? 1
if (run('npm', ['run', 'build:native'], { GYP_DEFINES: `sanitize=${sanitizer}` }) !== 0) process.exit(1)
if (run(path.join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.test.json']) !== 0) process.exit(1)

const runtime = execFileSync('gcc', [`-print-file-name=${RUNTIMES[sanitizer]}`], { encoding: 'utf8' }).trim()
const suppressions = path.join(tree, 'suppressions')
writeFileSync(
  suppressions,
  [
    // V8, libuv and better-sqlite3's SQLite synchronize in code that ThreadSanitizer does not see. Only
    // the topmost frame counts: the stack of every call from JavaScript has frames of Node.
    'called_from_lib:better_sqlite3.node',
    'race_top:^uv_',
    'race_top:^v8::',
    'race_top:^node::',
    'mutex:^uv_',
  ].join('\n'),
)
const env = {
  LD_PRELOAD: runtime,
  // Node frees nothing at exit, so leaks are counted by the tests (liveObjects) and not here; V8's
  // stacks confuse the use-after-return check.
  ASAN_OPTIONS: 'detect_leaks=0:detect_stack_use_after_return=0:halt_on_error=1',
  UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
  TSAN_OPTIONS: `ignore_noninstrumented_modules=1:halt_on_error=1:second_deadlock_stack=1:suppressions=${suppressions}`,
}
const out = path.join(tree, '.out/test')
const files = readdirSync(out, { recursive: true })
  .filter((file) => file.endsWith('.test.js') && wanted.some((pattern) => file.includes(pattern)))
  .filter((file) => file !== LEFT_OUT)
  .map((file) => path.join(out, file))
  .sort()
// The servers are started without the sanitizer, those that any test may need.
const { startRunServers } = await import(path.join(out, 'support/servers/for-run.js'))
const usesNats = (file) => file.includes('primary') || readFileSync(file, 'utf8').includes('/nats.js')
const servers = await startRunServers({ s3: true, nats: files.some(usesNats) })
const tests = spawn(process.execPath, ['--test', '--test-concurrency=1', ...files], {
  cwd: tree,
  stdio: 'inherit',
  env: { ...process.env, ...env, ...servers.env },
})
const [status] = await once(tests, 'exit')
await servers.stop()
process.exit(status ?? 1)
