import type { Command, Option } from 'commander'

function findOption(command: Command, name: string): Option | undefined {
  const option = command.options.find(({ long, short }) => long === `--${name}` || short === `-${name}`)
  return option
}

function takesValue(option: Option): boolean {
  return option.required || option.optional
}

/**
 * Returns the subcommand that the first argument selects, and the number of arguments (0 or 1) that
 * selected it.
 */
function descend(command: Command, args: readonly string[]): { readonly command: Command; readonly used: number } {
  const named = command.commands.find((c) => c.name() === args[0] || c.aliases().includes(args[0] ?? ''))
  if (named) return { command: named, used: 1 }
  return { command, used: 0 }
}

/** Returns the default subcommand of `command`. For example, `ltx URL` means `ltx list URL`. */
function defaultCommand(command: Command): Command | undefined {
  const name = (command as unknown as { _defaultCommandName: string | null })._defaultCommandName
  return command.commands.find((c) => c.name() === name)
}

/**
 * Converts flags in Go's syntax (`-flag`, `--flag`, `-flag=value`, `-bool=false`) to commander's
 * syntax. Does not change the values of flags, and does not change the arguments after `--`.
 */
export function normalizeFlags(program: Command, argv: readonly string[]): string[] {
  const out: string[] = []
  let command = program
  let i = 0
  for (;;) {
    const next = descend(command, argv.slice(i))
    if (next.used === 0) break
    out.push(argv[i]!)
    i += next.used
    command = next.command
  }
  const flagsOf = defaultCommand(command) ?? command
  for (; i < argv.length; i++) {
    const arg = argv[i]!
    if (arg === '--') {
      out.push(...argv.slice(i))
      break
    }
    const match = /^--?([A-Za-z][\w-]*)(?:=(.*))?$/s.exec(arg)
    if (!match) {
      out.push(arg)
      continue
    }
    const [, name, value] = match
    if (name === 'h' || name === 'help') {
      out.push('--help')
      continue
    }
    const option = findOption(flagsOf, name!)
    if (!option) {
      // Commander reports the unknown flag, and suggests a similar one.
      out.push(`--${name}`)
      continue
    }
    const flag = option.long ?? option.short!
    if (takesValue(option)) {
      const given = value ?? argv[++i]
      out.push(flag, ...(given === undefined ? [] : [given]))
    } else if (value === undefined || /^(1|t|true)$/i.test(value)) {
      out.push(flag)
    } else if (!/^(0|f|false)$/i.test(value)) {
      out.push(`${flag}=${value}`) // commander refuses it: the flag takes no value
    }
  }
  return out
}
