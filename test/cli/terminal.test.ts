import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import path from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { openReplicaClient } from '../../src/storage/open.js'
import { History, hashFile } from '../support/history.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { main } from './run.js'

/** Runs a command line with a terminal as its output, as util-linux's `script` makes one. */
async function inTerminal(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const line = [process.execPath, main, ...args].map((word) => `'${word}'`).join(' ')
  const { stdout } = await promisify(execFile)('script', ['-qec', line, '/dev/null'], {
    env: { ...process.env, TERM: 'xterm', ...env },
  })
  return stdout
}

test('on a terminal, commands print a progress bar, and use colours unless the variable NO_COLOR is set', async (t) => {
  const dir = temporaryDirectory(t)
  const url = `file://${dir}/replica`
  const history = new History(path.join(dir, 'app.db'), await openReplicaClient(url), 4096)
  t.after(() => history.close())
  await history.commit('CREATE TABLE t (v)')
  const copy = path.join(dir, 'copy.db')
  const hydrated = await inTerminal(['hydrate', '-o', copy, url])
  assert.match(hydrated, /hydrate .*█.* 100%/)
  assert.match(hydrated, /\nhydrated .*copy\.db/)
  assert.equal(hashFile(copy), history.hashes.get(1))
  const bold = '\x1b[1m'
  assert.ok((await inTerminal(['ltx', url])).includes(`${bold}level`))
  assert.ok(!(await inTerminal(['ltx', url], { NO_COLOR: '1' })).includes('\x1b['))
  const quiet = await inTerminal(['hydrate', '-json', '-force', '-o', copy, url])
  assert.equal(JSON.parse(quiet).txid, '0000000000000001')
})
