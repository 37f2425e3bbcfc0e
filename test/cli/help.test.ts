import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Command, Help } from 'commander'
import { COMMANDS } from '../../src/cli/commands/table.js'
import { normalizeFlags } from '../../src/cli/go-flags.js'
import { createProgram } from '../../src/cli/program.js'
import { run } from './run.js'

/** Every command by its name, such as `ltx list`. */
function commandsOf(command: Command, words: readonly string[] = []): (readonly [string, Command])[] {
  return command.commands.flatMap((child) => {
    const path = [...words, child.name()]
    return [[path.join(' '), child] as const, ...commandsOf(child, path)]
  })
}

const program = await createProgram()

test('the help of every command has examples and describes every flag', () => {
  for (const [words, command] of commandsOf(program)) {
    if (words === 'wal') continue
    let text = ''
    command.configureOutput({ writeOut: (part) => (text += part) })
    command.outputHelp()
    assert.ok(text.startsWith(`Usage: litestream-ts ${words}`), text)
    if (command.commands.length === 0) assert.match(text, /\nExamples:\n {2}litestream-ts /, words)
    for (const option of command.options)
      assert.ok(text.includes(option.long ?? option.short!), `${words} ${option.flags}`)
  }
})

test('each of four spellings of the help flag prints the help, and the exit status is 0', async () => {
  for (const flag of ['-h', '-help', '--help', '--h']) {
    const { status, stdout, stderr } = await run(['ltx', 'list', flag])
    assert.deepEqual([status, stderr], [0, ''])
    assert.match(stdout, /^Usage: litestream-ts ltx list/)
  }
})

test('the examples in the help are valid command lines', async () => {
  const lines = commandsOf(program).flatMap(([words, command]) => {
    let text = ''
    command.configureOutput({ writeOut: (part) => (text += part) })
    command.outputHelp()
    return [...text.matchAll(/^ {2}litestream-ts (.*?) +# /gm)].map((match) => [words, match[1]!] as const)
  })
  assert.ok(lines.length > 5)
  for (const [words, line] of lines) {
    const argv = line.replace(/ [>|].*$/, '').match(/'[^']*'|"[^"]*"|\S+/g)!
    const checked = await createProgram()
    let reached = false
    for (const [, command] of commandsOf(checked)) {
      if (command.commands.length > 0) continue
      command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} })
      command.action(() => {
        reached = true
      })
    }
    checked.parse(normalizeFlags(checked, argv), { from: 'user' })
    assert.ok(reached, `${words}: ${line}`)
  }
})

test('the list of commands describes each command with the words of the command’s own help', async () => {
  for (const { name, usage, summary } of COMMANDS) {
    const command = program.commands.find((child) => child.name() === name)!
    assert.equal(command.summary(), summary)
    const { subcommandTerm } = new Help()
    assert.equal(subcommandTerm.call(new Help(), command), `${name} ${usage}`.trim())
  }
  const { status, stdout } = await run(['-h'])
  assert.equal(status, 0)
  let whole = ''
  program.configureOutput({ writeOut: (part) => (whole += part) })
  program.outputHelp()
  assert.equal(stdout, whole)
})

test('a call without a command prints the usage and ends with status 1', async () => {
  const { status, stdout, stderr } = await run([])
  assert.deepEqual([status, stdout], [1, ''])
  assert.match(stderr, /^Usage: litestream-ts COMMAND/)
})

test('the error for a misspelled command or flag suggests the right name', async () => {
  const command = await run(['databses'])
  assert.equal(command.status, 1)
  assert.match(
    command.stderr,
    /^Error: unknown command 'databses'\n\(Did you mean databases\?\)\nTry: litestream-ts -h\n$/,
  )
  const flag = await run(['ltx', '-levl', 'all', 'file:///x'])
  assert.equal(flag.status, 1)
  assert.match(flag.stderr, /unknown option '--levl'\n\(Did you mean --level\?\)\nTry: litestream-ts ltx -h/)
  const argument = await run(['ltx', 'info'])
  assert.equal(argument.status, 1)
  assert.match(argument.stderr, /^Error: missing required argument 'file'/)
})

test('the error for the old wal command says that the command is now ltx', async () => {
  const { status, stderr } = await run(['wal', '-config', '/nowhere', '/var/lib/app.db'])
  assert.equal(status, 1)
  assert.match(stderr, /^Error: the command `wal` is now `ltx`\nTry: Run litestream-ts ltx/)
})

test('the command line accepts a flag in every spelling that Go’s flag package accepts', () => {
  const normal = (...argv: string[]) => normalizeFlags(program, argv)
  assert.deepEqual(normal('ltx', '-level', 'all', 'URL'), ['ltx', '--level', 'all', 'URL'])
  assert.deepEqual(normal('ltx', 'list', '--level=all', 'URL'), ['ltx', 'list', '--level', 'all', 'URL'])
  assert.deepEqual(normal('ltx', '-json=true', '-no-expand-env=false', 'URL'), ['ltx', '--json', 'URL'])
  assert.deepEqual(normal('ltx', '-config', '-level', 'URL'), ['ltx', '--config', '-level', 'URL'])
  assert.deepEqual(normal('ltx', 'info', '--', '-odd.ltx'), ['ltx', 'info', '--', '-odd.ltx'])
  assert.deepEqual(normal('version', '-h'), ['version', '--help'])
})
