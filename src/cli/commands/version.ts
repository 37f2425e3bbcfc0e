import Database from 'better-sqlite3'
import type { Command } from 'commander'
import { nativePath } from '../../native/addon.js'
import { version } from '../../version.js'
import { createCommand } from '../command.js'
import { print, printBlock, printJson } from '../output.js'

interface VersionFlags {
  readonly verbose?: boolean
  readonly json?: boolean
}

export function versionCommand(): Command {
  return createCommand('version', {
    summary: 'Print the version.',
    description: 'Prints the version of litestream-ts, and with -verbose of what it runs on.',
    examples: [['version -verbose', 'all versions that matter in a bug report']],
  })
    .option('--verbose', 'print the versions of Node, SQLite and the platform too')
    .option('--json', 'print JSON')
    .action((flags: VersionFlags) => {
      const db = new Database(':memory:')
      const sqlite = db.prepare('SELECT sqlite_version()').pluck().get() as string
      db.close()
      const fields = {
        version,
        node: process.versions.node,
        sqlite,
        platform: `${process.platform}-${process.arch}`,
        addon: nativePath,
      }
      if (flags.json) printJson(fields)
      else if (flags.verbose) printBlock(fields)
      else print(version)
    })
}
