import type { Command } from 'commander'
import { findDatabases } from '../../config/directories.js'
import { addConfigFlags, type ConfigFlags, configOf, createCommand } from '../command.js'
import { ExitStatus } from '../exit-status.js'
import { printJson, printTable } from '../output.js'
import { reportError } from '../report.js'

export function databasesCommand(): Command {
  const command = createCommand('databases', {
    summary: 'List the databases of the configuration.',
    description:
      'Lists the databases of the configuration file and of its `dir` entries, each with its replica. The exit status is 1 if a directory, or a file in a directory, cannot be read.',
    examples: [
      ['databases', 'list the databases of /etc/litestream.yml'],
      ['databases -config litestream.yml -json', '[{"path", "replica"}]'],
    ],
  })
  return addConfigFlags(command)
    .option('--json', 'print JSON')
    .action(async (flags: ConfigFlags & { readonly json?: boolean }) => {
      const { databases, faults } = findDatabases(await configOf(flags))
      const rows = databases.map(({ path, replica }) => ({ path, replica: replica.type }))
      if (flags.json) printJson(rows)
      else
        printTable(
          ['path', 'replica'],
          rows.map((row) => [row.path, row.replica]),
        )
      for (const { error } of faults) reportError(error)
      if (faults.length > 0) throw new ExitStatus(1)
    })
}
