import type { Command } from 'commander'
import { formatTxid } from '../../ltx/txid.js'
import { hydrateFile } from '../../restore/restore.js'
import { formatDuration } from '../../util/duration.js'
import { formatBytes } from '../../util/format-bytes.js'
import { addConfigFlags, type ConfigFlags, createCommand } from '../command.js'
import { countFlag } from '../flag-values.js'
import { print, printJson } from '../output.js'
import { createProgress } from '../progress-bar.js'
import { abortOnSignals } from '../signals.js'
import { withReplica } from '../target.js'
import { outputOf } from './restore.js'

interface HydrateFlags extends ConfigFlags {
  readonly o?: string
  readonly force?: boolean
  readonly json?: boolean
  readonly parallelism?: number
}

export function hydrateCommand(): Command {
  const command = createCommand('hydrate', {
    summary: 'Fetch a full local copy of a replica.',
    description:
      "Fetches every page of a replica's newest state in large parallel reads. The output has the same bytes as the output of `restore`, but SQLite does not check the output. The command verifies the checksum of every file that it reads completely.",
    examples: [
      ['hydrate -o copy.db s3://bucket/app.db', 'fetch a local copy of the newest state'],
      ['hydrate -json -o copy.db s3://bucket/app.db', '{"db_path", "replica", "txid", "bytes", "duration_ms"}'],
    ],
  })
  return addConfigFlags(command)
    .argument('<db-or-url>', 'path of a configured database, or replica URL')
    .option('-o <file>', 'path of the output (default: the path of the configured database)')
    .option('--force', 'replace an existing output file, and delete the -wal or -journal file beside it')
    .option('--parallelism <n>', 'number of parallel requests', countFlag, 8)
    .option('--json', 'print JSON')
    .action(async (argument: string, flags: HydrateFlags) => {
      await withReplica(argument, flags, async (client, target) => {
        const output = outputOf(target, flags.o)
        const progress = await createProgress('hydrate', !flags.json)
        try {
          const result = await abortOnSignals((signal) =>
            hydrateFile(client, {
              output,
              force: flags.force,
              parallelism: flags.parallelism,
              signal,
              onProgress: (step) => {
                if (step.phase === 'pages') progress.update(step.written, step.total)
              },
            }),
          )
          progress.stop()
          const { txid, bytes, durationMs } = result
          if (flags.json) {
            printJson({ db_path: output, replica: client.type, txid: formatTxid(txid), bytes, duration_ms: durationMs })
          } else {
            print(
              `hydrated ${output}: ${formatBytes(bytes)}, TXID ${formatTxid(txid)}, in ${formatDuration(durationMs)}`,
            )
          }
        } finally {
          progress.stop()
        }
      })
    })
}
