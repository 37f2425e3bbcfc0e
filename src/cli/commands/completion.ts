import { Argument, type Command } from 'commander'
import { createCommand } from '../command.js'
import { printData } from '../output.js'
import { SHELLS, type ShellName } from '../shells.js'

export function completionCommand(): Command {
  return createCommand('completion', {
    summary: 'Print the completion script of a shell.',
    description:
      'Prints a script with which a shell completes commands, flags and the values of flags. Write the script to a folder from which the shell loads completions. Write the script again after each update of litestream-ts.',
    examples: [
      ['completion bash > ~/.local/share/bash-completion/completions/litestream-ts', 'install the completion for bash'],
      ['completion zsh > ~/.zfunc/_litestream-ts', 'install the completion for zsh, with ~/.zfunc in $fpath'],
      ['completion fish > ~/.config/fish/completions/litestream-ts.fish', 'install the completion for fish'],
    ],
  })
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .action(async (shell: ShellName) => {
      const { createProgram } = await import('../program.js')
      const { completionScript } = await import('../completion.js')
      printData(completionScript(shell, await createProgram()).trimEnd())
    })
}
