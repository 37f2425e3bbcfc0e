import { Command, CommanderError } from 'commander'
import { LitestreamError } from '../errors.js'
import { COMMANDS, type CommandEntry, GROUPS } from './commands/table.js'
import { ExitStatus } from './exit-status.js'
import { textFlag } from './flag-values.js'
import { normalizeFlags } from './go-flags.js'
import { rememberArguments, reportError, reportUsage } from './report.js'

/**
 * Creates the program with its commands. `only` selects the commands whose code is loaded, by
 * default all of them. Commands that `only` does not select appear in the list of commands but
 * cannot be run.
 */
export async function createProgram(only?: (name: string) => boolean): Promise<Command> {
  const program = new Command('litestream-ts')
    .description('Streams SQLite databases to object storage, and reads them back from anywhere.')
    .usage('COMMAND [flags] [arguments]')
    .addHelpText('after', '\nRun litestream-ts COMMAND -h for the help of a command.')
  // Commander's help shows the groups in the order in which their commands were added.
  const ordered = GROUPS.flatMap((group) => COMMANDS.filter((entry) => entry.group === group))
  for (const entry of ordered) {
    const command = only === undefined || only(entry.name) ? await entry.load() : listed(entry)
    program.addCommand(command.helpGroup(`${entry.group}:`), { hidden: entry.hidden === true })
  }
  eachCommand(program, (command) => {
    command.helpCommand(false).exitOverride().configureHelp({ sortOptions: true, showGlobalOptions: false })
    command.configureOutput({ outputError: () => {} }) // printed once, by reportUsage()
    refuseEmptyValues(command)
  })
  const usages = new Map(COMMANDS.map(({ name, usage }) => [name, usage]))
  return program.configureHelp({
    sortOptions: true,
    showGlobalOptions: false,
    subcommandTerm: (command) => `${command.name()} ${usages.get(command.name())}`.trim(),
  })
}

function listed({ name, summary }: CommandEntry): Command {
  return new Command(name).summary(summary)
}

/**
 * Adds a parser that refuses an empty text to every flag and argument without a parser of its own.
 */
function refuseEmptyValues(command: Command): void {
  for (const option of command.options) {
    if ((option.required || option.optional) && !option.parseArg) option.argParser(textFlag)
  }
  for (const argument of command.registeredArguments) {
    if (!argument.variadic && !argument.parseArg) argument.argParser(textFlag)
  }
}

function eachCommand(command: Command, act: (command: Command) => void): void {
  act(command)
  for (const child of command.commands) eachCommand(child, act)
}

/**
 * Commands of other Litestream versions, each with a hint that names the command to use instead.
 */
const MOVED: Readonly<Record<string, string>> = {
  generations:
    'Only Litestream 0.3 has generations. Run `litestream-ts ltx -level all DB_OR_URL` to see the files of a replica.',
  snapshots: 'Run `litestream-ts ltx -level 9 DB_OR_URL` to see the snapshots of a replica.',
  mcp: 'The MCP server is part of `litestream-ts replicate`: set `mcp-addr: 127.0.0.1:3001` in the configuration file (docs/mcp.md).',
}

/**
 * Converts `help COMMAND`, `--version` and `-v` to the command line of the corresponding command.
 */
function plainCommand([first, ...rest]: readonly string[]): readonly string[] | undefined {
  if (first === 'help' && COMMANDS.some(({ name }) => name === rest[0])) return [...rest, '-h']
  // Commander reports the unknown command, and suggests a similar one.
  if (first === 'help' && rest[0] !== undefined) return rest.slice(0, 1)
  if (first !== undefined && /^(-v|--?version)$/.test(first)) return ['version', ...rest]
  return undefined
}

/**
 * Returns a flag that is written before the command, as in `-config FILE replicate`, together with
 * the command. Returns undefined if the first argument is not a flag.
 */
function flagBeforeCommand(argv: readonly string[]): { readonly flag: string; readonly command: string } | undefined {
  const flag = argv[0]
  if (flag === undefined || !/^--?[a-z]/i.test(flag) || /^--?(h|help)$/.test(flag)) return undefined
  const command = argv.find((argument) => COMMANDS.some(({ name }) => name === argument))
  return command === undefined ? undefined : { flag: flag.replace(/=.*/s, ''), command }
}

/**
 * Runs one command line and returns its exit status. The exit status is 0 for success and 1 for an
 * error. A command, or the program of `exec`, can set another exit status.
 */
export async function run(argv: readonly string[]): Promise<number> {
  rememberArguments(argv)
  const moved = argv[0] !== undefined && Object.hasOwn(MOVED, argv[0]) ? MOVED[argv[0]] : undefined
  if (moved !== undefined) {
    reportError(new LitestreamError('INVALID_ARGUMENT', `unknown command '${argv[0]}'`, { hint: moved }))
    return 1
  }
  const plain = plainCommand(argv)
  if (plain !== undefined) return run(plain)
  if (argv[0] === 'help' && argv.length === 1) {
    process.stdout.write((await createProgram(() => false)).helpInformation())
    return 0
  }
  const misplaced = flagBeforeCommand(argv)
  if (misplaced !== undefined) {
    const hint = `Write flags after the command: litestream-ts ${misplaced.command} ${misplaced.flag} …`
    reportError(new LitestreamError('INVALID_ARGUMENT', `${misplaced.flag} is before the command`, { hint }))
    return 1
  }
  const called = argv.find((argument) => COMMANDS.some(({ name }) => name === argument))
  const program = await createProgram((name) => name === called)
  if (argv.length === 0) {
    process.stderr.write(program.helpInformation())
    return 1
  }
  try {
    await program.parseAsync(normalizeFlags(program, argv), { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof ExitStatus) return error.status
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0
      const name = argv.find((arg) => program.commands.some((command) => command.name() === arg))
      if (error.code === 'commander.help') return 1
      reportUsage(error, name)
      return 1
    }
    reportError(error)
    return 1
  }
}
