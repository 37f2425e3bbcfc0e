import type { Command } from 'commander'
import { isLitestreamError } from '../../errors.js'
import { verifyReplica } from '../../levels/verify-replica.js'
import { formatTxid } from '../../ltx/txid.js'
import { chooseSource } from '../../restore/source.js'
import type { V3AssemblyOptions } from '../../restore/v3/assemble.js'
import { verifyV3 } from '../../restore/v3/verify-v3.js'
import type { ReplicaClient } from '../../storage/replica-client.js'
import { formatBytes } from '../../util/format-bytes.js'
import { addConfigFlags, type ConfigFlags, createCommand } from '../command.js'
import { ExitStatus } from '../exit-status.js'
import { countFlag } from '../flag-values.js'
import { green, print, printJson, red } from '../output.js'
import { createProgress } from '../progress-bar.js'
import { abortOnSignals } from '../signals.js'
import { withReplica } from '../target.js'

interface VerifyFlags extends ConfigFlags {
  readonly json?: boolean
  readonly parallelism: number
}

interface Problem {
  readonly kind: string
  readonly error: string
}

export function verifyCommand(): Command {
  const command = createCommand('verify', {
    summary: 'Check that a replica can be restored and that its files are undamaged.',
    description:
      'Reads every file of every level and checks the structure, page index and checksums of each file. Also checks that no level lacks a TXID or contains a TXID twice, and that the newest state can be restored. If Litestream 0.3 wrote the replica, the command reads the files that a restore would read, and reports TXID 0. The command does not write to the replica. The exit status is 1 if the command finds a fault.',
    examples: [
      ['verify s3://bucket/app.db', 'read and check all files'],
      [
        'verify -json s3://bucket/app.db',
        '{"replica", "ok", "txid", "files", "bytes", "problems": [{"kind", "error"}]}',
      ],
    ],
  })
  return addConfigFlags(command)
    .argument('<db-or-url>', 'path of a configured database, or replica URL')
    .option('--parallelism <n>', 'number of files read in parallel', countFlag, 4)
    .option('--json', 'print JSON')
    .action(async (argument: string, flags: VerifyFlags) => {
      const outcome = await withReplica(argument, flags, (client) => check(client, flags))
      if (flags.json) printJson(outcome)
      else {
        for (const { error } of outcome.problems) print(`${red('wrong')}  ${error}`)
        const amount = `${outcome.files} files, ${formatBytes(outcome.bytes)}`
        if (outcome.ok) print(`${green('ok')}     ${outcome.replica}: TXID ${outcome.txid}, ${amount} checked`)
      }
      if (!outcome.ok) throw new ExitStatus(1)
    })
}

async function check(client: ReplicaClient, { parallelism, json }: VerifyFlags) {
  const progress = await createProgress('verify', !json)
  try {
    const { report, legacy } = await abortOnSignals(async (signal) => {
      const report = await verifyReplica(client, {
        parallelism,
        signal,
        onProgress: ({ bytes, totalBytes }) => progress.update(bytes, totalBytes),
      })
      const onProgress = (done: number, total: number) => progress.update(done, total)
      return { report, legacy: report.maxTxid === 0 ? await checkLegacy(client, { signal, onProgress }) : undefined }
    })
    if (legacy) return legacy
    const { levels, faults, restorable, maxTxid } = report
    const problems: Problem[] = faults.map(({ kind, error }) => ({ kind, error: error.message }))
    if (!restorable) problems.push({ kind: 'gap', error: 'the replica has no file with which a restore could begin' })
    else if (restorable.txid < maxTxid) {
      const [reached, newest] = [formatTxid(restorable.txid), formatTxid(maxTxid)]
      problems.push({
        kind: 'gap',
        error: `the replica can be restored up to TXID ${reached}, but not to its newest TXID ${newest}`,
      })
    }
    return {
      replica: client.url,
      ok: problems.length === 0,
      txid: formatTxid(restorable?.txid ?? 0),
      files: levels.reduce((sum, { files }) => sum + files, 0),
      bytes: levels.reduce((sum, { bytes }) => sum + bytes, 0),
      problems,
    }
  } finally {
    progress.stop()
  }
}

/**
 * Verifies a replica that only Litestream 0.3 has written to. Returns undefined for an empty
 * replica, and for a replica with LTX files.
 */
async function checkLegacy(client: ReplicaClient, options: V3AssemblyOptions) {
  const outcome = (files: number, bytes: number, problems: readonly Problem[]) => {
    return { replica: client.url, ok: problems.length === 0, txid: formatTxid(0), files, bytes, problems }
  }
  let files = 0
  try {
    const source = await chooseSource(client, { signal: options.signal })
    if (source.format !== 'v0.3') return undefined
    const { objects, plan } = source
    files = 1 + plan.segments.length
    return outcome(files, await verifyV3(objects, plan, options), [])
  } catch (error) {
    if (isLitestreamError(error, 'REPLICA_EMPTY')) return undefined
    if (!isLitestreamError(error, 'LTX_CORRUPT', 'LTX_GAP')) throw error
    return outcome(files, 0, [{ kind: error.code === 'LTX_GAP' ? 'gap' : 'damaged', error: error.message }])
  }
}
