import type { Command } from 'commander'
import { addConfigFlags, type ConfigFlags, configOf, createCommand } from '../command.js'
import { ExitStatus } from '../exit-status.js'
import { printError, printJson, printLines } from '../output.js'
import { reportError } from '../report.js'

export function configCommand(): Command {
  const config = createCommand('config', {
    summary: 'Check the configuration file.',
    description: 'Contains the commands that check the configuration file and print its JSON Schema.',
    examples: [],
  })
  const check = createCommand('check', {
    summary: 'Check the configuration and print the effective settings.',
    description:
      'Reads the configuration file and prints the effective settings, with defaults, inherited values and masked secrets. Opens no database and no replica. Warns about a directory or file that cannot be read, an address that is in use, and a control socket that cannot be created. The exit status is 1 if the file is invalid, if paths overlap (databases with their -wal and -shm files, meta-path, replica folders, the control socket; symbolic links are resolved), or if the control socket can never be created.',
    examples: [
      ['config check', 'check /etc/litestream.yml'],
      ['config check -config litestream.yml -json', 'print the effective settings as JSON'],
    ],
  })
  addConfigFlags(check)
    .option('--json', 'print JSON')
    .action(async (flags: ConfigFlags & { readonly json?: boolean }) => {
      const effective = await configOf(flags)
      const { configFaults } = await import('../../config/check.js')
      const { checkStart } = await import('../check-start.js')
      const [faults, { warnings, error }] = await Promise.all([configFaults(effective), checkStart(effective)])
      for (const warning of warnings) printError(`Warning: ${warning}`)
      for (const fault of [...faults, ...(error ? [error] : [])]) reportError(fault)
      if (faults.length > 0 || error) throw new ExitStatus(1)
      const { effectiveConfig, effectiveYaml } = await import('../../config/print.js')
      if (flags.json) printJson(effectiveConfig(effective))
      else printLines(effectiveYaml(effective).trimEnd())
    })
  const schema = createCommand('schema', {
    summary: 'Print the JSON Schema of the configuration file.',
    description: 'Prints the JSON Schema of litestream.yml, for editors.',
    examples: [['config schema > litestream.schema.json', 'save the schema for an editor']],
  }).action(async () => {
    const { editorSchema } = await import('../../config/json-schema.js')
    printJson(editorSchema())
  })
  return config.addCommand(check).addCommand(schema)
}
