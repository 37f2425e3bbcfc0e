import { Command } from 'commander'
import type { Config } from '../config/types.js'
import { withoutSecrets } from '../util/redact.js'
import { printable } from '../util/terminal-text.js'

export interface CommandText {
  /** One line that describes the command in the list of commands. */
  readonly summary: string
  /** The behaviour, the output and the exit status of the command. */
  readonly description: string
  /**
   * Examples of the command as command lines without the program's name, each with a description.
   */
  readonly examples: readonly (readonly [string, string])[]
}

/** Creates a command whose `-h` output ends with examples. */
export function createCommand(name: string, { summary, description, examples }: CommandText): Command {
  const width = Math.max(0, ...examples.map(([line]) => line.length))
  const lines = examples.map(([line, meaning]) => `  litestream-ts ${line.padEnd(width)}  # ${meaning}`)
  const command = new Command(name).summary(summary).description(description)
  if (lines.length > 0) command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`)
  return command
}

export interface ConfigFlags {
  readonly config?: string
  readonly expandEnv: boolean
}

export function addConfigFlags(command: Command): Command {
  return command
    .option(
      '--config <file>',
      'path of the configuration file, or - for standard input (default: $LITESTREAM_CONFIG or /etc/litestream.yml)',
    )
    .option('--no-expand-env', 'do not replace $NAME in the configuration file by the environment variable NAME')
}

/**
 * Returns the configuration that a command's flags select. Prints the warnings of the configuration
 * to stderr. configOf() loads `config/load.js` on demand, because most commands get a URL and need
 * no configuration.
 */
export async function configOf(flags: ConfigFlags): Promise<Config> {
  const { loadConfig } = await import('../config/load.js')
  const config = loadConfig({ path: flags.config, expandEnv: flags.expandEnv })
  for (const warning of config.warnings) process.stderr.write(`Warning: ${printable(withoutSecrets(warning))}\n`)
  return config
}
