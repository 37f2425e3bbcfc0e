// The one test command: formatter, linter and type check, then every test file, four at a time,
// each in a process of its own.
//
// Without a pattern, at most three test files that failed are run once more, one at a time. If all
// their tests pass in this second run, the command succeeds, and its last lines name the tests that
// failed in the first run: each failure is a fault of the test or of the program, and must be
// corrected. If more than three files fail, the command fails without a second run.
//
// usage: npm test -- [PATTERN…]
//   PATTERN      run only the test files whose path contains one of the patterns, without formatter
//                and linter
//
// Tests talk to real servers. Those that the selected files need are installed (Debian, root) and
// started here, once for the run, on 127.0.0.1 and free ports; TEST_S3_ENDPOINT with
// TEST_S3_ACCESS_KEY and TEST_S3_SECRET_KEY, TEST_NATS_URL, TEST_AZURE_ENDPOINT and
// TEST_GCS_ENDPOINT name running ones instead.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { commandLine } from './command-line.mjs'

const root = path.dirname(import.meta.dirname)
const out = path.join(root, '.out/test')
const { positionals: patterns } = commandLine(import.meta.filename, { names: true })
const bin = (name) => path.join(root, 'node_modules/.bin', name)

function step(title, command, args) {
  console.log(`\n== ${title}`)
  const run = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (run.status !== 0) fail(title, run.status, run.signal)
}

function fail(title, status, signal) {
  console.error(`== ${title}: failed (${signal ?? `exit status ${status}`})`)
  process.exit(status ?? 1)
}

/** Returns every module of this repository that `files` import, directly or indirectly. */
function importsOf(files) {
  const seen = new Set(files)
  for (const file of seen) {
    for (const [, specifier] of readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
      const imported = path.resolve(path.dirname(file), specifier)
      if (imported.startsWith(path.dirname(out))) seen.add(imported)
    }
  }
  return seen
}

if (patterns.length === 0) {
  step('format and lint', bin('biome'), ['check', '.'])
  rmSync(path.join(root, '.out'), { recursive: true, force: true })
}
step('types', bin('tsc'), ['-p', 'tsconfig.test.json'])
if (patterns.length === 0) step('types of the page', bin('tsc'), ['-p', 'src/status/browser'])

const files = readdirSync(out, { recursive: true })
  .filter((file) => file.endsWith('.test.js') && (patterns.length === 0 || patterns.some((p) => file.includes(p))))
  // What an earlier run made of a file that is gone stays in .out.
  .filter((file) => existsSync(path.join(root, 'test', file.replace(/js$/, 'ts'))))
  .sort()
  .map((file) => path.join(out, file))
if (files.length === 0) {
  console.error(`no test file matches ${patterns.join(', ')}`)
  process.exit(1)
}

const imports = importsOf(files)
// Tests run what tsc made, but for the AWS SDK, of which the bundle has less, and for the commands,
// the documents and the packages, which are run as they are published.
if (
  imports.has(path.join(root, '.out/src/storage/s3/aws.js')) ||
  imports.has(path.join(out, 'cli/run.js')) ||
  files.some((file) => file.endsWith('/demo.test.js')) ||
  imports.has(path.join(out, 'support/packed.js'))
) {
  step('bundle', process.execPath, ['scripts/bundle.mjs'])
}
// The status page is code for browsers, which tsc does not make.
else if (imports.has(path.join(root, '.out/src/status/page.js'))) {
  step('page', process.execPath, ['scripts/bundle-page.mjs'])
}
const needed = {
  s3: imports.has(path.join(out, 'support/s3.js')),
  nats: imports.has(path.join(out, 'support/nats.js')),
  azure: imports.has(path.join(out, 'support/azure.js')),
  gcs: imports.has(path.join(out, 'support/gcs.js')),
}
const { startRunServers } = await import(path.join(out, 'support/servers/for-run.js'))
let servers
try {
  servers = await startRunServers(needed)
} catch (error) {
  console.error(`== servers: ${error.message}`)
  process.exit(1)
}

// A test that hangs fails the run. Tests whose duration is set by an environment variable get that
// duration in addition.
const long = ['LITESTREAM_KILL_SECONDS', 'LITESTREAM_SOAK_SECONDS', 'LITESTREAM_INTEROP_SECONDS']
const seconds = long.map((name) => Number(process.env[name] ?? 0))
const timeout = (600 + Math.max(...seconds)) * 1000

const scratch = mkdtempSync(path.join(tmpdir(), 'litestream-tests-'))
// Tests write a line to this file for each thing that they cannot test on this machine:
// test/support/not-run.ts.
const notRunFile = path.join(scratch, 'not-run')
writeFileSync(notRunFile, '')

/** Prints how many tests did not run, each reason on a line of its own. */
function reportNotRun() {
  const counts = new Map()
  for (const line of readFileSync(notRunFile, 'utf8').split('\n').filter(Boolean)) {
    const [reason] = line.split('\t')
    counts.set(reason, (counts.get(reason) ?? 0) + 1)
  }
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  console.log(`\n== tests that did not run on this machine: ${total}`)
  for (const [reason, count] of counts) console.log(`${count} × ${reason}`)
}

let tests
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => tests?.kill(signal))

/**
 * Runs test files, `concurrency` at a time. Returns how the run ended, and for each file its
 * duration and its failed tests (scripts/file-results.mjs).
 */
async function run(testFiles, concurrency) {
  const resultFile = path.join(scratch, `results-${concurrency}`)
  tests = spawn(
    process.execPath,
    [
      '--test',
      `--test-concurrency=${concurrency}`,
      `--test-timeout=${timeout}`,
      // This reporter repeats the failed tests after the last one, where the reader of a log looks.
      '--test-reporter=spec',
      '--test-reporter-destination=stdout',
      `--test-reporter=${path.join(root, 'scripts/file-results.mjs')}`,
      `--test-reporter-destination=${resultFile}`,
      ...testFiles,
    ],
    {
      cwd: root,
      stdio: 'inherit',
      // Threads and child processes have the condition too: see src/storage/s3/aws.ts.
      env: {
        ...process.env,
        ...servers.env,
        TEST_NOT_RUN_FILE: notRunFile,
        NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --conditions=shipped`.trim(),
      },
    },
  )
  const [status, signal] = await once(tests, 'exit')
  const lines = existsSync(resultFile) ? readFileSync(resultFile, 'utf8').split('\n').filter(Boolean) : []
  return { status, signal, results: lines.map((line) => JSON.parse(line)) }
}

const failedOf = ({ results }) => results.filter(({ failed }) => failed.length > 0)
const nameOf = ({ file }) => path.relative(out, file)

function reportSlowest(results) {
  const slowest = results.toSorted((a, b) => b.milliseconds - a.milliseconds).slice(0, 10)
  console.log('\n== the test files that took longest, in seconds')
  for (const each of slowest) console.log(`${(each.milliseconds / 1000).toFixed(0).padStart(5)}  ${nameOf(each)}`)
}

console.log('\n== tests')
const first = await run(files, 4)
let last = first
const failed = failedOf(first)
// Every failure must be of a known file: a run that ended by a signal is not repeated.
const repeat = patterns.length === 0 && first.status === 1 && failed.length > 0 && failed.length <= 3
if (repeat) {
  console.log('\n== the failed test files once more, one at a time')
  last = await run(
    failed.map(({ file }) => file),
    1,
  )
}
await servers.stop()
if (patterns.length === 0) reportSlowest(first.results)
reportNotRun()
rmSync(scratch, { recursive: true })
if (repeat) {
  console.log(`\n== tests that failed at first${last.status === 0 ? ' and passed when their file ran alone' : ''}`)
  for (const each of failed) for (const name of each.failed) console.log(`${nameOf(each)}: ${name}`)
}
if (last.status !== 0) fail('tests', last.status, last.signal)
