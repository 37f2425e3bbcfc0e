import type { Command } from 'commander'
import { isLitestreamError } from '../../errors.js'
import type { Driver } from '../../sqlite/connection.js'
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
    description:
      'Prints the version of litestream-ts; with -verbose, also the versions of Node.js, SQLite and the platform.',
    examples: [['version -verbose', 'print all versions for a bug report']],
  })
    .option('--verbose', 'also print the versions of Node.js, SQLite and the platform')
    .option('--json', 'print JSON')
    .action(async (flags: VersionFlags) => {
      if (!flags.json && !flags.verbose) {
        print(version)
        return
      }
      const { addonPath } = await import('../../native/addon.js')
      const { findDriver } = await import('../../sqlite/find-driver.js')
      const fields = {
        version,
        node: process.versions.node,
        sqlite: orReason(() => sqliteVersion(findDriver())),
        platform: `${process.platform}-${process.arch}`,
        addon: orReason(addonPath),
      }
      if (flags.json) printJson(fields)
      else printBlock(fields)
    })
}

/** Returns the SQLite version that the commands use, followed by the name of the driver. */
function sqliteVersion(driver: Driver): string {
  const db = driver.open(':memory:')
  try {
    return `${db.value('SELECT sqlite_version()')} (${db.driver})`
  } finally {
    db.close()
  }
}

/**
 * If a part of the installation is missing, returns `none` and the reason. The `version` command
 * succeeds even if a part of the installation is missing.
 */
function orReason(find: () => string): string {
  try {
    return find()
  } catch (error) {
    if (isLitestreamError(error)) return `none: ${error.message}`
    throw error
  }
}
