import type { Command } from 'commander'
import { LitestreamError } from '../../errors.js'
import { LEVELS } from '../../ltx/format.js'
import type { LtxFileInfo } from '../../storage/replica-client.js'
import { addConfigFlags, type ConfigFlags, createCommand } from '../command.js'
import { FILE_COLUMNS, fileJson, fileRow } from '../ltx-listing.js'
import { printJson, printTable } from '../output.js'
import { withReplica } from '../target.js'

interface ListFlags extends ConfigFlags {
  readonly level: string
  readonly json?: boolean
}

function levelsOf(text: string): readonly number[] {
  if (text === 'all') return LEVELS
  if (/^\d$/.test(text)) return [Number(text)]
  throw new LitestreamError('INVALID_ARGUMENT', `invalid level: ${JSON.stringify(text)}`, {
    hint: 'Set -level to a number from 0 to 9, or to the word all for every level.',
  })
}

export function ltxListCommand(): Command {
  const command = createCommand('list', {
    summary: 'List the LTX files of a replica.',
    description:
      'Lists the LTX files of one level of a replica, by default of level 0. Level 9 contains the snapshots.',
    examples: [
      ['ltx list file:///var/backups/app.db', 'list the files of level 0'],
      ['ltx list -level 9 s3://bucket/app.db', 'list the snapshots'],
      [
        'ltx list -level all -json /var/lib/app.db',
        'list all levels of a configured database: [{"level", "min_txid", "max_txid", "size", "timestamp"}]',
      ],
    ],
  })
  return addConfigFlags(command)
    .argument('<db-or-url>', 'path of a configured database, or replica URL')
    .option('--level <level>', '0 to 9, or all', '0')
    .option('--json', 'print JSON')
    .action(async (argument: string, flags: ListFlags) => {
      const levels = levelsOf(flags.level)
      const files: LtxFileInfo[] = []
      await withReplica(argument, flags, async (client) => {
        for (const level of levels) for await (const file of client.list(level)) files.push(file)
      })
      if (flags.json) printJson(files.map(fileJson))
      else printTable(FILE_COLUMNS, files.map(fileRow))
    })
}
