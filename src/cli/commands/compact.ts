import type { Command } from 'commander'
import { DEFAULT_COMPACTION_SETTINGS } from '../../compaction/settings.js'
import { addConfigFlags, type ConfigFlags, createCommand } from '../command.js'
import { compactReplica } from '../compact-replica.js'
import { durationFlag } from '../flag-values.js'
import { FILE_COLUMNS, fileJson, fileRow } from '../ltx-listing.js'
import { print, printJson, printTable } from '../output.js'
import { abortOnSignals } from '../signals.js'
import { withReplica } from '../target.js'

interface CompactFlags extends ConfigFlags {
  readonly l0Retention?: number
  readonly json?: boolean
}

export function compactCommand(): Command {
  const command = createCommand('compact', {
    summary: 'Compact a replica once.',
    description:
      'Brings levels 1 to 3 of a replica up to date, writes a snapshot if the last snapshot is older than a day, deletes the files that the snapshot replaces, and exits. The command is for replicas that short-lived processes write through the VFS: run the command from a timer. A primary compacts its replica automatically. The command takes the lease of the replica, and refuses a replica whose lease another process holds. L0 files are kept unless -l0-retention is given.',
    examples: [
      ['compact s3://bucket/app.db', 'run all compactions that are due'],
      [
        'compact -l0-retention 24h s3://bucket/app.db',
        'also delete L0 files that were compacted to L1 files and are older than a day',
      ],
      ['compact -json s3://bucket/app.db', '{"replica", "written", "deleted"}'],
    ],
  })
  return addConfigFlags(command)
    .argument('<db-or-url>', 'path of a configured database, or replica URL')
    .option(
      '--l0-retention <duration>',
      'delete L0 files that were compacted to L1 files and are older than this duration; choose a duration longer than any pause of a writer during a commit',
      durationFlag,
    )
    .option('--json', 'print JSON')
    .action(async (argument: string, flags: CompactFlags) => {
      const settings = { ...DEFAULT_COMPACTION_SETTINGS, l0Retention: flags.l0Retention ?? 0 }
      await withReplica(argument, flags, async (client) => {
        const { written, deleted } = await abortOnSignals((signal) => compactReplica(client, settings, signal))
        if (flags.json) {
          printJson({ replica: client.url, written: written.map(fileJson), deleted: deleted.map(fileJson) })
          return
        }
        if (written.length > 0) printTable(FILE_COLUMNS, written.map(fileRow))
        print(`${client.url}: wrote ${written.length} files, deleted ${deleted.length} files`)
      })
    })
}
