import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { completionScript } from '../../src/cli/completion.js'
import { createProgram } from '../../src/cli/program.js'
import { SHELLS } from '../../src/cli/shells.js'
import { run } from './run.js'

const program = await createProgram()

/** What bash offers for the last word. */
function completions(...words: string[]): string[] {
  const script = `${completionScript('bash', program)}
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _litestream_ts; printf '%s\\n' "\${COMPREPLY[@]}"`
  return execFileSync('bash', ['-c', script, 'bash', ...words], { encoding: 'utf8' })
    .trim()
    .split('\n')
}

test('bash completes commands, subcommands, flags and flag values', () => {
  assert.deepEqual(completions('litestream-ts', 'rest'), ['restore'])
  assert.ok(completions('litestream-ts', '').includes('replicate'))
  assert.equal(completions('litestream-ts', '').includes('wal'), false)
  assert.deepEqual(completions('litestream-ts', 'ltx', 'enc'), ['encode-db'])
  assert.deepEqual(completions('litestream-ts', 'restore', '-if-'), ['-if-db-not-exists', '-if-replica-exists'])
  assert.deepEqual(completions('litestream-ts', 'restore', '--if-db'), ['--if-db-not-exists'])
  assert.deepEqual(completions('litestream-ts', 'ltx', 'dump', '-pa'), ['-page'])
  assert.deepEqual(completions('litestream-ts', 'restore', '-integrity-check', ''), ['none', 'quick', 'full'])
  assert.deepEqual(completions('litestream-ts', 'restore', '-o', 'some'), [''])
})

test('every completion script has every command and flag of the help', async () => {
  for (const shell of SHELLS) {
    const { status, stdout } = await run(['completion', shell])
    assert.equal(status, 0)
    assert.equal(stdout, completionScript(shell, program))
    for (const command of program.commands) {
      if (command.name() === 'wal') continue
      assert.ok(stdout.includes(command.name()))
      for (const { long } of command.options) assert.ok(!long || stdout.includes(long.slice(2)), `${shell} ${long}`)
    }
  }
  const unknown = await run(['completion', 'tcsh'])
  assert.equal(unknown.status, 1)
  assert.match(unknown.stderr, /Allowed choices are bash, zsh, fish/)
})

test('the list of commands is divided into groups, and each command is in exactly one group', async () => {
  const { stdout } = await run(['help'])
  const groups = [...stdout.matchAll(/^([A-Z][a-z ]+):$/gm)].map((match) => match[1])
  assert.deepEqual(groups, [
    'Options',
    'Replicate and restore',
    'Inspect',
    'Maintain',
    'Control a running process',
    'Set up',
  ])
})
