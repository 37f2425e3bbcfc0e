import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { expandPath } from '../../config/expand-path.js'
import { LitestreamError } from '../../errors.js'
import { metaDirectory } from '../../primary/sync/staging.js'
import { formatBytes } from '../../util/format-bytes.js'
import { addConfigFlags, type ConfigFlags, configOf, createCommand } from '../command.js'
import { print, printJson } from '../output.js'
import { findDatabase } from '../target.js'

/** What a primary keeps beside a database. */
const OWN = ['ltx', 'primary-state']

interface ResetFlags extends ConfigFlags {
  readonly dryRun?: boolean
  readonly json?: boolean
}

export function resetCommand(): Command {
  const command = createCommand('reset', {
    summary: 'Delete the local replication state of a database.',
    description:
      'Deletes the LTX files and the state that replication keeps beside a database; the database and its replica are not touched. The next replication begins with a full copy at the next TXID of the replica. Stop replication first.',
    examples: [
      ['reset -dry-run /var/lib/app.db', 'say what would be deleted'],
      ['reset -config litestream.yml /var/lib/app.db', 'a database whose meta-path is configured'],
    ],
  })
  return addConfigFlags(command)
    .argument('<db>', 'path of a database')
    .option('--dry-run', 'delete nothing')
    .option('--json', 'print JSON')
    .action(async (db: string, flags: ResetFlags) => {
      // Without a configuration file the usual place is meant; one that is named must know the database.
      const metaPath = flags.config ? findDatabase(await configOf(flags), db).metaPath : undefined
      const database = expandPath(db)
      const meta = metaDirectory(database, metaPath)
      if (!existsSync(database) && !existsSync(meta)) {
        throw new LitestreamError('NOT_FOUND', `database does not exist: ${database}`, {
          file: database,
          hint: 'Check the path.',
        })
      }
      const doomed = OWN.map((name) => path.join(meta, name)).filter((file) => existsSync(file))
      const bytes = doomed.reduce((sum, file) => sum + sizeOf(file), 0)
      if (!flags.dryRun) for (const file of doomed) rmSync(file, { recursive: true })
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

function sizeOf(file: string): number {
  const stats = statSync(file)
  if (!stats.isDirectory()) return stats.size
  return readdirSync(file).reduce((sum, name) => sum + sizeOf(path.join(file, name)), 0)
}
