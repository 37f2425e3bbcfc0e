import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { temporaryDirectory } from '../support/temporary-directory.js'

test('with logging.source, a log line of each format names the function, the file and the line number of the log call', (t) => {
  const program = path.join(temporaryDirectory(t), 'program.mjs')
  const logger = path.join(import.meta.dirname, '../../src/util/logger.js')
  writeFileSync(
    program,
    `import { createLogger } from ${JSON.stringify(logger)}
const [, , type, source] = process.argv
const log = createLogger({ level: 'info', type, source: source === 'true', stderr: false }).child({ a: 1 })
function work() { log.info({ b: 2 }, 'done') }
work()
log.warn('again')
`,
  )
  const lines = (type: string, source = true) =>
    spawnSync(process.execPath, [program, type, String(source)], { encoding: 'utf8' })
      .stdout.trim()
      .split('\n')
  const [first, second] = lines('json').map((line) => JSON.parse(line))
  assert.deepEqual(Object.keys(first), ['time', 'level', 'source', 'msg', 'a', 'b'])
  assert.deepEqual(first.source, { function: 'work', file: program, line: 4 })
  assert.deepEqual(second.source, { function: '', file: program, line: 6 })
  assert.match(lines('text')[0]!, new RegExp(`level=INFO source=${program}:4 msg=done a=1 b=2$`))
  assert.ok(lines('pretty').some((line) => line.includes(`source: "${program}:4"`)))
  for (const type of ['json', 'text', 'pretty']) assert.doesNotMatch(lines(type, false).join(), /source/)
})
