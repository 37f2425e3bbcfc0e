import type { Command } from 'commander'
import { databaseChecksum, readDatabaseShape } from '../../ltx/database-file.js'
import { createCommand } from '../command.js'
import { withQuietDatabase } from '../database-file.js'
import { printData, printJson } from '../output.js'

export function ltxChecksumCommand(): Command {
  return createCommand('checksum', {
    summary: 'Print the LTX checksum of a database file.',
    description:
      'Prints the checksum that LTX files with checksums store for a database: 16 hexadecimal digits. The database must be closed and must have no changes in its WAL.',
    examples: [
      ['ltx checksum app.db', 'print a checksum such as a6c05f7e9b5d0c13'],
      ['ltx checksum -json app.db', '{"db_path", "checksum", "page_size", "pages"}'],
    ],
  })
    .argument('<db>', 'database file')
    .option('--json', 'print JSON')
    .action((file: string, flags: { readonly json?: boolean }) =>
      withQuietDatabase(file, async (handle) => {
        const shape = await readDatabaseShape(handle, file)
        const checksum = (await databaseChecksum(handle, file, shape)).toString(16)
        if (flags.json) printJson({ db_path: file, checksum, page_size: shape.pageSize, pages: shape.commit })
        else printData(checksum)
      }),
    )
}
