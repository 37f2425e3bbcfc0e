import type { Command } from 'commander'
import { isLitestreamError } from '../../errors.js'
import { DIVERGED_RETENTION_MS } from '../../levels/diverged-retention.js'
import { acknowledgeDivergences } from '../../levels/divergence-record.js'
import { divergenceJson, divergenceText } from '../../levels/divergence-text.js'
import { planRestore } from '../../levels/plan.js'
import { isUrl } from '../../storage/url.js'
import { addConfigFlags, type ConfigFlags, configOf, createCommand } from '../command.js'
import { callControl } from '../control-client.js'
import { print, printJson } from '../output.js'
import { findDatabase, withReplica } from '../target.js'

/** Time limit in milliseconds for the response of a running process on the control socket. */
const ANSWER_MS = 10_000

export function acknowledgeCommand(): Command {
  const command = createCommand('acknowledge', {
    summary: 'Accept that a diverged database replaces the state in its replica.',
    description:
      'A database has diverged if it does not continue the newest state of its replica, for example an empty database after the volume was lost. The log, `status`, /healthz and the status page report a diverged database until a user runs this command. With `on-divergence: refuse`, replication uploads a diverged database only after this command. The replica keeps its previous state for `retention.diverged`. A running process applies the acknowledgement immediately if the process has a control socket, otherwise within a minute.',
    examples: [
      ['acknowledge /var/lib/app.db', 'acknowledge a database of /etc/litestream.yml'],
      [
        'acknowledge -json s3://bucket/app.db',
        '{"status": "acknowledged" or "nothing_to_acknowledge", "replica", "divergences"}',
      ],
    ],
  })
  return addConfigFlags(command)
    .argument('<db-or-url>', 'path of a configured database, or URL of a replica')
    .option('--json', 'print JSON')
    .action(async (target: string, flags: ConfigFlags & { readonly json?: boolean }) => {
      await withReplica(target, flags, async (client) => {
        const acknowledged = await acknowledgeDivergences(client, DIVERGED_RETENTION_MS)
        // An empty replica may mean a misspelled URL, so planRestore throws for an empty replica.
        if (acknowledged.length === 0) await planRestore(client)
        const status = acknowledged.length > 0 ? 'acknowledged' : 'nothing_to_acknowledge'
        if (flags.json) printJson({ status, replica: client.url, divergences: acknowledged.map(divergenceJson) })
        else if (acknowledged.length === 0) print(`${client.url}: nothing to acknowledge`)
        else for (const each of acknowledged) print(`acknowledged: ${divergenceText(each, client.url)}`)
      })
      if (!isUrl(target)) await tellProcess(target, flags)
    })
}

/**
 * Asks the running process, if it has a control socket, to read the divergence record of the
 * database again.
 */
async function tellProcess(target: string, flags: ConfigFlags): Promise<void> {
  const config = await configOf(flags)
  if (!config.socket.enabled) return
  const { path } = findDatabase(config, target)
  try {
    await callControl({ socket: config.socket.path, timeout: ANSWER_MS }, 'POST', '/acknowledge', { path })
  } catch (error) {
    // The error is ignored, because the running process reads the divergence record again at its
    // next check.
    if (!isLitestreamError(error)) throw error
  }
}
