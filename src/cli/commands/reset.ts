import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { expandPath } from '../../config/expand-path.js'
import type { Config } from '../../config/types.js'
import { isLitestreamError } from '../../errors.js'
import { formatBytes } from '../../util/format-bytes.js'
import { addConfigFlags, type ConfigFlags, configOf, createCommand } from '../command.js'
import { deleteLocalState } from '../local-state.js'
import { print, printJson } from '../output.js'
import { findDatabase } from '../target.js'

interface ResetFlags extends ConfigFlags {
  readonly dryRun?: boolean
  readonly json?: boolean
}

export function resetCommand(): Command {
  const command = createCommand('reset', {
    summary: 'Delete the local replication state of a database.',
    description:
      'Deletes the state folder of a database, with its staged LTX files and replication state; the database and its replica are not changed. The next replication begins with a snapshot at the next TXID of the replica. Stop the replication of the database before this command.',
    examples: [
      ['reset -dry-run /var/lib/app.db', 'only list the files that would be deleted'],
      ['reset -config litestream.yml /var/lib/app.db', 'reset a database whose meta-path is configured'],
    ],
  })
  return addConfigFlags(command)
    .argument('<db>', 'path of a database')
    .option('--dry-run', 'list the files, but delete nothing')
    .option('--json', 'print JSON')
    .action(async (db: string, flags: ResetFlags) => {
      const metaPath = flags.config ? metaPathIn(await configOf(flags), db) : undefined
      const database = expandPath(db)
      const { doomed, bytes } = await deleteLocalState(database, { metaPath, dryRun: flags.dryRun })
      if (flags.json) {
        printJson({ db_path: database, deleted: doomed, bytes, dry_run: flags.dryRun === true })
      } else if (doomed.length === 0) {
        print(`nothing to reset: ${database} has no local replication state`)
      } else {
        print(`${flags.dryRun ? 'would delete' : 'deleted'} ${formatBytes(bytes)}:`)
        for (const file of doomed) print(`  ${file}`)
        if (!flags.dryRun) print('the next replication begins with a full copy of the database')
      }
    })
}

/**
 * Returns the configured state folder of a database, or undefined for the default state folder.
 * Also returns undefined if the database exists but is not in the configuration, as in Litestream.
 */
function metaPathIn(config: Config, db: string): string | undefined {
  try {
    return findDatabase(config, db).metaPath
  } catch (error) {
    if (isLitestreamError(error, 'NOT_FOUND') && existsSync(expandPath(db))) return undefined
    throw error
  }
}
