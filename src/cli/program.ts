import { Command, CommanderError } from 'commander'
import { bufferCommand } from './commands/buffer.js'
import { buildAddonCommand } from './commands/build-addon.js'
import { compactCommand } from './commands/compact.js'
import { configCommand } from './commands/config.js'
import { controlCommands } from './commands/control.js'
import { databasesCommand } from './commands/databases.js'
import { hydrateCommand } from './commands/hydrate.js'
import { ltxCommand } from './commands/ltx.js'
import { mirrorCommand } from './commands/mirror.js'
import { queryCommand } from './commands/query.js'
import { replicateCommand } from './commands/replicate.js'
import { resetCommand } from './commands/reset.js'
import { restoreCommand } from './commands/restore.js'
import { statusCommand } from './commands/status.js'
import { verifyCommand } from './commands/verify.js'
import { versionCommand } from './commands/version.js'
import { walCommand } from './commands/wal.js'
import { ExitStatus } from './exit-status.js'
import { textFlag } from './flag-values.js'
import { normalizeFlags } from './go-flags.js'
import { rememberArguments, reportError, reportUsage } from './report.js'

export function createProgram(): Command {
  const program = new Command('litestream-ts')
    .description('Streams SQLite databases to object storage, and reads them back from anywhere.')
    .usage('COMMAND [flags] [arguments]')
    .addHelpText('after', '\nEvery command explains itself: litestream-ts COMMAND -h')
  const commands = [
    bufferCommand(),
    buildAddonCommand(),
    compactCommand(),
    configCommand(),
    databasesCommand(),
    hydrateCommand(),
    ltxCommand(),
    mirrorCommand(),
    queryCommand(),
    replicateCommand(),
    resetCommand(),
    restoreCommand(),
    statusCommand(),
    verifyCommand(),
    versionCommand(),
    ...controlCommands(),
  ]
  for (const command of commands) program.addCommand(command)
  program.addCommand(walCommand(), { hidden: true })
  eachCommand(program, (command) => {
    command.helpCommand(false).exitOverride().configureHelp({ sortOptions: true, showGlobalOptions: false })
    command.configureOutput({ outputError: () => {} }) // printed once, by reportUsage()
    refuseEmptyValues(command)
  })
  return program
}

/** A flag or argument that has no reader of its own takes any text but none. */
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

/** Runs one command line and returns its exit status: 0 done, 1 any error, or what the command or its child asks for. */
export async function run(argv: readonly string[]): Promise<number> {
  const program = createProgram()
  rememberArguments(argv)
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
      reportUsage(error, `litestream-ts ${name ? `${name} ` : ''}-h`)
      return 1
    }
    reportError(error)
    return 1
  }
}
