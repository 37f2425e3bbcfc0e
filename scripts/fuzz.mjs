// Fuzzes the native parsers: every source in test/fuzz/targets is a libFuzzer target, which is
// built with AddressSanitizer and UndefinedBehaviorSanitizer (unsigned numbers that wrap included)
// and run one after another on one core. A crash, a wrong answer, an input that takes longer than
// 10 s or 1 GB is a finding.
//
// usage: node scripts/fuzz.mjs [--seconds N | --runs N] [--seed N] [--built] [TARGET...]
//   --seconds N  time for each target; default 60
//   --runs N     inputs for each target instead of a time, without the corpus of earlier runs: the same seed
//                gives the same run
//   --seed N     of libFuzzer's random numbers; default: another one each time, which is printed
//   --built      the tests are compiled already
//   TARGET       names of targets; default: all
// Exit status: 0 without a finding, 1 with one, 3 if clang is not installed and cannot be
// installed.
//
// Needs clang and its runtime libraries (Debian: clang, libclang-rt-dev), which it installs where
// it can. The inputs to begin with are made from a real database by test/fuzz/seeds.ts. Everything
// is in .cache/fuzz: build/HASH, seeds, corpus/TARGET (inputs that reach new code; kept for later
// runs), findings/TARGET-HASH. To run one input again: .cache/fuzz/build/HASH/TARGET FILE. A
// finding becomes a test of the project, in test/native, before it is fixed.
//
// A new parser: make it a function without N-API, add test/fuzz/targets/NAME.cc with the promises
// that it keeps (EXPECT), its sources to SOURCES below, and seeds to test/fuzz/seeds.ts.
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { commandLine, randomSeed, wholeNumber } from './command-line.mjs'

const root = path.dirname(import.meta.dirname)
const targetFolder = path.join(root, 'test/fuzz/targets')
const cache = path.join(root, '.cache/fuzz')

/** Native sources that the targets are linked with. */
const SOURCES = [
  'native/ltx/crc64.cc',
  'native/ltx/ltx_codec.cc',
  'native/ltx/ltx_legacy_frame.cc',
  'native/ltx/frame_batch.cc',
  'native/ltx/frame_merger.cc',
  'native/ltx/lz4_block.c',
  'native/wal/wal_frames.cc',
  'native/replica/btree.cc',
  'native/vfs/replica_uri.cc',
]
const IGNORED = path.join(targetFolder, 'integer-overflow-ignored.txt')
const FLAGS = [
  '-g',
  '-O1',
  '-fno-omit-frame-pointer',
  '-fsanitize=address,undefined,unsigned-integer-overflow,fuzzer-no-link',
  '-fno-sanitize-recover=all',
  `-fsanitize-ignorelist=${IGNORED}`,
]
/** Longest input; one page of 64 KiB and the numbers in front of it. */
const MAX_LENGTH = 70_000
const MAX_MEMORY_MB = 1024
const MAX_SECONDS = 10

const all = readdirSync(targetFolder)
  .filter((file) => file.endsWith('.cc'))
  .map((file) => path.basename(file, '.cc'))
  .sort()
const { values, positionals } = commandLine(import.meta.filename, {
  options: {
    seconds: { type: 'string', default: '60' },
    runs: { type: 'string' },
    built: { type: 'boolean', default: false },
    seed: { type: 'string', default: randomSeed() },
  },
  names: all,
})
const number = (name) => wholeNumber(import.meta.filename, values, name)
const limit = values.runs === undefined ? `-max_total_time=${number('seconds')}` : `-runs=${number('runs')}`
const seed = number('seed')
const targets = positionals.length > 0 ? positionals : all

/** Compiles the tests, of which the seeds and the installer are parts. */
function compileTests() {
  const tsc = path.join(root, 'node_modules/.bin/tsc')
  const { status } = spawnSync(tsc, ['-p', 'tsconfig.test.json'], { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(1)
}

/** Whether clang is there, with the libraries that a fuzzer is linked with. */
function hasClang() {
  const { status, stdout } = spawnSync('clang++', ['--print-runtime-dir'], { encoding: 'utf8' })
  if (status !== 0) return false
  // Debian has the libraries beside the folder that clang names.
  return [stdout.trim(), path.join(stdout.trim(), '../linux')].some(
    (folder) => existsSync(folder) && readdirSync(folder).some((file) => /^libclang_rt\.fuzzer.*\.a$/.test(file)),
  )
}

async function ensureClang() {
  if (hasClang()) return
  const { ensureInstalled } = await import(path.join(root, '.out/test/support/servers/packages.js'))
  try {
    ensureInstalled(['clang++', 'libclang-rt-dev'], 'leave the fuzzers out')
  } catch (error) {
    console.error(`fuzz: ${error.message.split('\n', 1)[0]}`)
    process.exit(3)
  }
}

/** Changes with every source, header and flag that goes into the binaries. */
function hashOfSources() {
  const hash = createHash('sha256').update(JSON.stringify(FLAGS))
  const headers = readdirSync(path.join(root, 'native'), { recursive: true }).filter((file) => file.endsWith('.h'))
  const files = [
    ...SOURCES,
    ...headers.map((file) => path.join('native', file)).sort(),
    ...readdirSync(targetFolder)
      .map((file) => path.relative(root, path.join(targetFolder, file)))
      .sort(),
  ]
  for (const file of files) hash.update(file).update(readFileSync(path.join(root, file)))
  return hash.digest('hex').slice(0, 16)
}

function build() {
  const folder = path.join(cache, 'build', hashOfSources())
  if (targets.every((target) => existsSync(path.join(folder, target)))) return folder
  rmSync(path.join(cache, 'build'), { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const includes = execFileSync(process.execPath, ['scripts/native-sources.cjs', 'lz4'], {
    cwd: root,
    encoding: 'utf8',
  })
  const clang = (args) => execFileSync('clang++', [...FLAGS, ...args], { cwd: root, stdio: 'inherit' })
  const compile = (source, object) => {
    const language = source.endsWith('.c') ? ['-xc'] : ['-xc++', '-std=c++17', '-fno-exceptions']
    clang([...language, `-I${includes.trim()}`, '-Inative', '-c', source, '-o', object])
  }
  const objects = SOURCES.map((source) => path.join(folder, `${path.basename(source)}.o`))
  for (const [i, source] of SOURCES.entries()) compile(source, objects[i])
  for (const target of all) {
    const object = path.join(folder, `${target}.target.o`)
    compile(`test/fuzz/targets/${target}.cc`, object)
    clang(['-fsanitize=fuzzer', object, ...objects, '-o', path.join(folder, target)])
  }
  return folder
}

/** Whether a target ran without a finding. */
function fuzz(folder, target) {
  const corpus = path.join(cache, values.runs === undefined ? 'corpus' : 'corpus-of-runs', target)
  if (values.runs !== undefined) rmSync(corpus, { recursive: true, force: true })
  const findings = path.join(cache, 'findings')
  for (const made of [corpus, findings]) mkdirSync(made, { recursive: true })
  const args = [
    limit,
    `-seed=${seed}`,
    `-max_len=${MAX_LENGTH}`,
    `-rss_limit_mb=${MAX_MEMORY_MB}`,
    `-timeout=${MAX_SECONDS}`,
    '-print_final_stats=1',
    `-artifact_prefix=${path.join(findings, `${target}-`)}`,
    corpus,
    path.join(cache, 'seeds', target),
  ]
  const { status, signal, stderr } = spawnSync(path.join(folder, target), args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, UBSAN_OPTIONS: 'print_stacktrace=1', ASAN_OPTIONS: 'detect_leaks=1' },
  })
  const lines = stderr.split('\n')
  if (status !== 0) {
    console.error(
      lines
        .filter((line) => !line.startsWith('#'))
        .slice(-60)
        .join('\n'),
    )
    console.error(`fuzz: ${target}: finding (${signal ?? `exit status ${status}`}), seed ${seed}`)
    return false
  }
  const executed = lines
    .find((line) => line.startsWith('stat::number_of_executed_units'))
    ?.split(/\s+/)
    .at(-1)
  const coverage = /cov: (\d+)/.exec(lines.findLast((line) => line.includes('cov: ')) ?? '')?.[1]
  console.log(`${target}: ${executed} inputs, ${coverage} edges, no finding`)
  return true
}

if (!values.built) compileTests()
await ensureClang()
const folder = build()
rmSync(path.join(cache, 'seeds'), { recursive: true, force: true })
const { writeSeeds } = await import(path.join(root, '.out/test/fuzz/seeds.js'))
console.log(`${writeSeeds(path.join(cache, 'seeds'))} seeds, seed ${seed}`)
const failed = targets.filter((target) => !fuzz(folder, target))
if (failed.length > 0) {
  console.error(`fuzz: findings in ${failed.join(', ')}: see ${path.join(cache, 'findings')}`)
  process.exit(1)
}
