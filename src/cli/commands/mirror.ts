import { type Command, Option } from 'commander'
import { LitestreamError } from '../../errors.js'
import { fileLabel } from '../../ltx/file-label.js'
import { formatTxid } from '../../ltx/txid.js'
import { followMirror, mirror } from '../../mirror/mirror.js'
import { DEFAULT_MIRROR_INTERVAL, type MirrorOptions, type MirrorResult } from '../../mirror/options.js'
import type { ReplicaClient } from '../../storage/replica-client.js'
import type { Resolved } from '../../util/check-arguments.js'
import { formatDuration } from '../../util/duration.js'
import { formatBytes } from '../../util/format-bytes.js'
import { formatTimestamp } from '../../util/timestamp.js'
import { addConfigFlags, type ConfigFlags, createCommand } from '../command.js'
import { ExitStatus } from '../exit-status.js'
import { countFlag, durationFlag, sizeFlag } from '../flag-values.js'
import { fileJson } from '../ltx-listing.js'
import { print, printError, printJson, printJsonLine, warn } from '../output.js'
import { createProgress } from '../progress-bar.js'
import { abortOnSignals } from '../signals.js'
import { withReplica } from '../target.js'

interface MirrorFlags extends ConfigFlags {
  readonly follow?: boolean
  readonly interval: number
  readonly retention?: number
  readonly limit?: number
  readonly parallelism: number
  readonly writeOnce?: boolean
  readonly json?: boolean
}

export function mirrorCommand(): Command {
  const command = createCommand('mirror', {
    summary: 'Copy a replica to a second store, once or continuously.',
    description:
      'Copies every LTX file that the destination lacks, checks each byte on the way, and deletes files that the source has deleted. The destination is a complete replica at every moment: you can restore from the destination, open the destination, or replicate to the destination after the source is lost. Source and destination may be in different stores. An interrupted mirror continues with the files that it has not copied yet. A mirror refuses a destination to which a primary replicates, and a destination that is not a copy of the source. The exit status is 1 if a file of the source is damaged or a store fails.',
    examples: [
      ['mirror s3://bucket/app.db file:///mnt/backup/app.db', 'copy the replica once'],
      ['mirror -follow s3://bucket/app.db s3://other/app.db', 'copy new files until a signal arrives'],
      [
        'mirror -follow -retention 720h -limit 10MB /var/lib/app.db file:///mnt/backup/app.db',
        'keep deleted files for 30 days and limit the rate',
      ],
      [
        'mirror -json s3://bucket/app.db file:///mnt/backup/app.db',
        '{"source", "destination", "txid", "source_txid", "timestamp", "copied", "deleted", "damaged", "bytes"}',
      ],
    ],
  })
  return addConfigFlags(command)
    .argument('<source>', 'path of a configured database, or replica URL')
    .argument('<destination>', 'replica URL')
    .option('--follow', 'mirror repeatedly until SIGINT or SIGTERM')
    .addOption(
      new Option('--interval <duration>', 'with -follow: interval between two runs of the mirror')
        .argParser(durationFlag)
        .default(DEFAULT_MIRROR_INTERVAL, formatDuration(DEFAULT_MIRROR_INTERVAL)),
    )
    .option(
      '--retention <duration>',
      'keep snapshots and files of levels 1 to 8 in the destination for this duration after the source has deleted them (default: delete a file when the source has deleted it)',
      durationFlag,
    )
    .option(
      '--write-once',
      'only create objects in the destination, for stores in which objects can neither be overwritten nor deleted',
    )
    .option('--limit <size>', 'maximum number of bytes to copy per second, such as 10MB', sizeFlag)
    .option('--parallelism <n>', 'number of files copied in parallel', countFlag, 4)
    .option('--json', 'print JSON; with -follow, one line per run of the mirror')
    .action(async (from: string, to: string, flags: MirrorFlags) => {
      if (flags.writeOnce && flags.retention !== undefined) {
        throw new LitestreamError('INVALID_ARGUMENT', 'cannot use -retention with -write-once', {
          hint: 'Remove -retention, and let a lifecycle rule of the store delete old files.',
        })
      }
      await withReplica(from, flags, (source) =>
        withReplica(
          to,
          flags,
          (destination) => run(source, destination, flags),
          flags.writeOnce ? { writeOnce: true } : {},
        ),
      )
    })
}

async function run(source: ReplicaClient, destination: ReplicaClient, flags: MirrorFlags): Promise<void> {
  const progress = await createProgress('mirror', !flags.json)
  const options: Resolved<MirrorOptions> = {
    retention: flags.retention,
    bytesPerSecond: flags.limit,
    parallelism: flags.parallelism,
    onProgress: ({ copied, total }) => progress.update(copied, total),
  }
  const report = (result: MirrorResult) => {
    progress.stop()
    for (const { error } of result.damaged) warn(error.message)
    if (flags.json) (flags.follow ? printJsonLine : printJson)(resultJson(source, destination, result))
    else print(`${destination.url}: ${resultText(result)}`)
  }
  try {
    if (!flags.follow) {
      const result = await abortOnSignals((signal) => mirror(source, destination, { ...options, signal }))
      report(result)
      if (result.damaged.length > 0 || result.txid < result.sourceTxid) throw new ExitStatus(1)
      return
    }
    await abortOnSignals((signal) =>
      followMirror(source, destination, {
        ...options,
        signal,
        interval: flags.interval,
        onPass: report,
        onError: (error) => {
          progress.stop()
          printError(`Error: ${error.message} (retried automatically)`)
        },
      }),
    )
  } finally {
    progress.stop()
  }
}

function resultText({ copied, deleted, bytes, txid, sourceTxid }: MirrorResult): string {
  const behind = txid < sourceTxid ? `, the source is at TXID ${formatTxid(sourceTxid)}` : ''
  return `TXID ${formatTxid(txid)}${behind}, copied ${copied.length} files (${formatBytes(bytes)}), deleted ${deleted.length}`
}

function resultJson(source: ReplicaClient, destination: ReplicaClient, result: MirrorResult) {
  return {
    source: source.url,
    destination: destination.url,
    txid: formatTxid(result.txid),
    source_txid: formatTxid(result.sourceTxid),
    timestamp: formatTimestamp(result.timestamp.getTime()),
    copied: result.copied.map(fileJson),
    deleted: result.deleted.map(fileJson),
    damaged: result.damaged.map(({ file, error }) => ({ file: fileLabel(source, file), error: error.message })),
    bytes: result.bytes,
  }
}
