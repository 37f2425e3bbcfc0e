import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { oneLine, printable, printableJson } from '../../src/util/terminal-text.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { run } from './run.js'

/** Clears a screen, changes a title, turns text round, ends a line; and text that must stay. */
const HOSTILE = 'a\x1b[2J\x1b]0;x\x07\x9b31m\x7f\u202eb\nc\td\r\0é "z"'

// biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be there
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/

test('control characters in data are escaped in the output of commands', () => {
  assert.equal(oneLine(HOSTILE), 'a\\x1b[2J\\x1b]0;x\\x07\\x9b31m\\x7f\\u202eb\\nc\\td\\r\\x00é "z"')
  assert.equal(printable('a\nb\x1b'), 'a\nb\\x1b')
  assert.equal(JSON.parse(printableJson(JSON.stringify([HOSTILE], null, 2)))[0], HOSTILE)
})

test('on a terminal, query prints no control character of the data, but JSON and CSV output contain the unchanged data', async (t) => {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  const url = `file://${dir}/replica`
  const db = new Database(file)
  db.pragma('journal_mode = wal')
  db.exec('CREATE TABLE t (id INTEGER, v)')
  db.prepare('INSERT INTO t VALUES (1, ?)').run(HOSTILE)
  db.close()
  assert.equal((await run(['replicate', '-once', file, url])).status, 0)
  const sql = 'SELECT v AS "col\x1b[31m", 9e999 AS big, 1 AS one, 2 AS one FROM t'
  const table = await run(['query', url, sql])
  assert.equal(table.status, 0, table.stderr)
  assert.ok(!CONTROL.test(table.stdout), JSON.stringify(table.stdout))
  assert.equal(table.stdout.split('\n').length, 3, 'a line of names, a row, and the end')
  const json = await run(['query', '-json', url, sql])
  assert.ok(!CONTROL.test(json.stdout))
  assert.deepEqual(JSON.parse(json.stdout), [{ 'col\x1b[31m': HOSTILE, big: 'Infinity', one: 1, 'one:2': 2 }])
  const csv = await run(['query', '-csv', url, 'SELECT v FROM t'])
  assert.equal(csv.stdout, `v\n"${HOSTILE.replaceAll('"', '""')}"\n`)
  const error = await run(['query', url, 'SELECT \x1b[2J FROM t'])
  assert.equal(error.status, 1)
  assert.ok(!CONTROL.test(error.stderr), JSON.stringify(error.stderr))
})

test('names with control characters are escaped on the terminal and in the log', async (t) => {
  const dir = temporaryDirectory(t)
  const name = path.join(dir, 'a\x1b[2Jb\nc')
  for (const args of [
    ['ltx', 'verify', name],
    ['ltx', 'info', name],
    ['reset', name],
    ['restore', '-o', name, `file://${dir}/none`],
    ['replicate', '-once', name, `file://${dir}/r`],
    ['status', '-config', name],
    [name],
    ['ltx', `-${name}`],
  ]) {
    const { stdout, stderr, status } = await run(args)
    assert.equal(status, 1, args[0])
    assert.ok(!CONTROL.test(stdout + stderr), `${args[0]}: ${JSON.stringify(stdout + stderr)}`)
  }
})
