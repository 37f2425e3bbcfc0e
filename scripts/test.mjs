// The one test command: formatter, linter and type check, then every test file, two at a time, each in a process of its own.
// `npm test -- PATTERN…` runs only the files whose path contains one of the patterns.
import { spawnSync } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import path from 'node:path'

const root = path.dirname(import.meta.dirname)
const patterns = process.argv.slice(2)
const bin = (name) => path.join(root, 'node_modules/.bin', name)

function step(title, command, args, options = {}) {
  console.log(`\n== ${title}`)
  const run = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options })
  if (run.status !== 0) {
    console.error(`== ${title}: failed (${run.signal ?? `exit status ${run.status}`})`)
    process.exit(run.status ?? 1)
  }
}

if (patterns.length === 0) step('format and lint', bin('biome'), ['check', '.'])
rmSync(path.join(root, '.out'), { recursive: true, force: true })
step('types', bin('tsc'), ['-p', 'tsconfig.test.json'])

const files = readdirSync(path.join(root, '.out/test'), { recursive: true })
  .filter((file) => file.endsWith('.test.js') && (patterns.length === 0 || patterns.some((p) => file.includes(p))))
  .sort()
  .map((file) => path.join('.out/test', file))
if (files.length === 0) {
  console.error(`no test file matches ${patterns.join(', ')}`)
  process.exit(1)
}
step('tests', process.execPath, ['--test', '--test-concurrency=2', ...files])
