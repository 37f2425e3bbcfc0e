import type { Command } from 'commander'
import { isLitestreamError } from '../../errors.js'
import { formatTxid } from '../../ltx/txid.js'
import { verifyLtx } from '../../ltx/verify.js'
import { listLevels, selectPlan } from '../../restore/plan.js'
import { fileLabel } from '../../storage/file-label.js'
import type { LtxFileInfo, ReplicaClient } from '../../storage/replica-client.js'
import { formatBytes } from '../../util/format-bytes.js'
import { runAll } from '../../util/run-all.js'
import { addConfigFlags, type ConfigFlags, createCommand } from '../command.js'
import { ExitStatus } from '../exit-status.js'
import { countFlag } from '../flag-values.js'
import { green, print, printJson, red } from '../output.js'
import { createProgress } from '../progress.js'
import { withReplica } from '../target.js'

interface VerifyFlags extends ConfigFlags {
  readonly all?: boolean
  readonly json?: boolean
  readonly parallelism: number
}

interface Problem {
  readonly file?: string
  readonly error: string
}

export function verifyCommand(): Command {
  const command = createCommand('verify', {
    summary: 'Check a replica: that it can be restored, and that its files are whole.',
    description:
      'Reads what a restore of the newest state would read and checks every byte of it: structure, page indexes, checksums, and that no TXID is missing. With -all, every file of every level. Writes nothing. Exit status 1 if anything is wrong.',
    examples: [
      ['verify s3://bucket/app.db', 'what a restore would read'],
      [
        'verify -all -json s3://bucket/app.db',
        '{"replica", "ok", "txid", "files", "bytes", "problems": [{"file", "error"}]}',
      ],
    ],
  })
  return addConfigFlags(command)
    .argument('<db-or-url>', 'path of a configured database, or replica URL')
    .option('--all', 'check every file there is, not only those a restore needs')
    .option('--parallelism <n>', 'files at the same time', countFlag, 4)
    .option('--json', 'print JSON')
    .action(async (argument: string, flags: VerifyFlags) => {
      const outcome = await withReplica(argument, flags, (client) => verifyReplica(client, flags))
      if (flags.json) printJson(outcome)
      else {
        for (const { file, error } of outcome.problems) print(`${red('wrong')}  ${file ? `${file}: ` : ''}${error}`)
        const amount = `${outcome.files} files, ${formatBytes(outcome.bytes)}`
        if (outcome.ok) print(`${green('ok')}     ${outcome.replica}: TXID ${outcome.txid}, ${amount} checked`)
      }
      if (!outcome.ok) throw new ExitStatus(1)
    })
}

async function verifyReplica(client: ReplicaClient, flags: VerifyFlags) {
  const levels = await listLevels(client)
  const problems: Problem[] = levels.flatMap(holes)
  let plan: LtxFileInfo[] = []
  try {
    plan = selectPlan(levels)
    if (plan.length === 0) problems.push({ error: 'no files that a restore could begin with' })
  } catch (error) {
    if (!isLitestreamError(error, 'LTX_GAP')) throw error
    problems.push({ error: error.message })
  }
  const files = flags.all ? levels.flat() : plan
  const total = files.reduce((sum, file) => sum + file.size, 0)
  const progress = createProgress('verify', !flags.json)
  let bytes = 0
  const checks = files.map((file) => async () => {
    try {
      const { header } = await verifyLtx(client.stream(file), fileLabel(client, file))
      if (header.minTxid !== file.minTxid || header.maxTxid !== file.maxTxid) {
        const says = `${formatTxid(header.minTxid)}-${formatTxid(header.maxTxid)}`
        problems.push({ file: fileLabel(client, file), error: `its header says it holds TXIDs ${says}` })
      }
    } catch (error) {
      if (!isLitestreamError(error)) throw error
      // Compaction and retention of a running primary take files away; then a restore would plan anew, and so would the next verify.
      problems.push({ file: fileLabel(client, file), error: error.message })
    }
    bytes += file.size
    progress.update(bytes, total)
  })
  try {
    await runAll(flags.parallelism, checks)
  } finally {
    progress.stop()
  }
  const txid = formatTxid(plan.at(-1)?.maxTxid ?? 0)
  return { replica: client.url, ok: problems.length === 0, txid, files: files.length, bytes, problems }
}

/** Where the files of one level do not follow one another. Level 9's snapshots each stand alone. */
function holes(files: readonly LtxFileInfo[], level: number): Problem[] {
  if (level === 9) return []
  return files.slice(1).flatMap((file, i) => {
    const before = files[i]!.maxTxid
    if (file.minTxid <= before + 1) return []
    return [{ error: `level ${level} has nothing between TXID ${formatTxid(before)} and ${formatTxid(file.minTxid)}` }]
  })
}
