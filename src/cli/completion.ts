import type { Command } from 'commander'
import type { ShellName } from './shells.js'

/** The subcommands and flags that can follow a command, such as `ltx list`. */
interface Level {
  /** The words of the command, separated by spaces, or an empty text for the program itself. */
  readonly words: string
  readonly commands: readonly { readonly name: string; readonly summary: string }[]
  readonly flags: readonly Flag[]
}

interface Flag {
  /** The flag with one dash, as the documentation writes it. */
  readonly name: string
  readonly description: string
  readonly takesValue: boolean
  /** The values that the flag accepts, or undefined if the flag accepts any text. */
  readonly choices: readonly string[] | undefined
}

/** Returns the completion script of a shell, generated from the commands of `program`. */
export function completionScript(shell: ShellName, program: Command): string {
  return SCRIPTS[shell](levelsOf(program, ''))
}

function levelsOf(command: Command, words: string): Level[] {
  const help = command.createHelp()
  const commands = help.visibleCommands(command)
  const flags = help.visibleOptions(command).map(({ long, short, description, required, optional, argChoices }) => ({
    name: long ? long.replace(/^--/, '-') : short!,
    description,
    takesValue: required || optional,
    choices: argChoices,
  }))
  const own = {
    words,
    commands: commands.map((child) => ({ name: child.name(), summary: child.summary() })),
    flags,
  }
  return [own, ...commands.flatMap((child) => levelsOf(child, `${words} ${child.name()}`.trim()))]
}

const names = (all: readonly { readonly name: string }[]) => all.map(({ name }) => name).join(' ')

/** Returns `case` lines, for bash and zsh, that set the possible completions of each command. */
function cases(levels: readonly Level[]): string {
  const known = levels.filter(({ words }) => words !== '').map(({ words }) => `'${words}'`)
  const values = levels.flatMap(({ words, flags }) =>
    flags.flatMap(({ name, choices }) =>
      choices ? [`    '${words}:${name}'|'${words}:-${name}') values='${choices.join(' ')}' ;;`] : [],
    ),
  )
  return `  for word in "\${before[@]}"; do
    case "\${level:+$level }$word" in
      ${known.join('|')}) level="\${level:+$level }$word" ;;
    esac
  done
  case "$level" in
${levels.map(({ words, commands, flags }) => `    '${words}') commands='${names(commands)}' flags='${names(flags)}' ;;`).join('\n')}
  esac
  case "$level:$previous" in
${values.join('\n')}
  esac`
}

function bash(levels: readonly Level[]): string {
  return `# bash completion of litestream-ts
_litestream_ts() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  local before=("\${COMP_WORDS[@]:1:COMP_CWORD-1}") level='' commands='' flags='' values='' word
${cases(levels)}
  if [ -n "$values" ]; then COMPREPLY=($(compgen -W "$values" -- "$current"))
  elif [[ "$current" == --* ]]; then COMPREPLY=($(compgen -P - -W "$flags" -- "\${current#-}"))
  elif [[ "$current" == -* ]]; then COMPREPLY=($(compgen -W "$flags" -- "$current"))
  else COMPREPLY=($(compgen -W "$commands" -- "$current"))
  fi
}
complete -o default -F _litestream_ts litestream-ts
`
}

function zsh(levels: readonly Level[]): string {
  return `#compdef litestream-ts
_litestream_ts() {
  local current="\${words[CURRENT]}" previous="\${words[CURRENT-1]}" level='' commands='' flags='' values='' word
  local -a before=("\${words[2,CURRENT-1]}")
${cases(levels)}
  if [ -n "$values" ]; then compadd -- \${=values}
  elif [[ "$current" == -* ]]; then compadd -- \${=flags}
  elif [ -n "$commands" ]; then compadd -- \${=commands}; _files
  else _files
  fi
}
if [ "\${funcstack[1]}" = _litestream_ts ]; then _litestream_ts "$@"; else compdef _litestream_ts litestream-ts; fi
`
}

function fish(levels: readonly Level[]): string {
  const quoted = (text: string) => `'${text.replace(/[\\']/g, '\\$&')}'`
  const lines = levels.flatMap(({ words, commands, flags }) => {
    const seen = words.split(' ').map((word) => `__fish_seen_subcommand_from ${word}`)
    const inner = names(commands)
    const here = words === '' ? '__fish_use_subcommand' : seen.join('; and ')
    const first = inner && words !== '' ? `${here}; and not __fish_seen_subcommand_from ${inner}` : here
    return [
      ...commands.map(
        ({ name, summary }) => `complete -c litestream-ts -n ${quoted(first)} -a ${name} -d ${quoted(summary)}`,
      ),
      ...flags.map(({ name, description, takesValue, choices }) => {
        const values = choices ? ` -x -a ${quoted(choices.join(' '))}` : takesValue ? ' -r' : ''
        const kind = name.length === 2 ? '-s' : '-o'
        return `complete -c litestream-ts -n ${quoted(here)} ${kind} ${name.slice(1)}${values} -d ${quoted(description)}`
      }),
    ]
  })
  return `# fish completion of litestream-ts\n${lines.join('\n')}\n`
}

const SCRIPTS: Readonly<Record<ShellName, (levels: readonly Level[]) => string>> = { bash, zsh, fish }
