import { formatTxid } from '../ltx/txid.js'
import { formatBytes } from '../util/format-bytes.js'
import { shellWord } from '../util/shell-word.js'
import { bytesOf, type DivergedState, type Divergence } from './divergence-record.js'

const REASONS: Readonly<Record<Divergence['reason'], string>> = {
  unrelated: 'the local database is another database',
  smaller: 'the local database is less than half as large as the newest state',
  older: 'the local database is an earlier state of the database in the replica',
  unreadable: 'the local database is new on this machine, and the newest state of the replica cannot be read',
}

function stateText(state: DivergedState): string {
  return `${formatBytes(bytesOf(state))} at TXID ${formatTxid(state.txid)}`
}

/** Describes a divergence in one sentence. `url` is the replica URL without credentials. */
export function divergenceText({ database, reason, local, replica }: Divergence, url: string): string {
  const sizes = `the database has ${stateText(local)}, the replica had ${stateText(replica)}`
  return `${database} does not continue the newest state of ${url}: ${REASONS[reason]}; ${sizes}`
}

/**
 * Returns the shell command for a restore of the replica's state before the divergence. The output
 * path of the restore is the path of the database.
 */
export function restoreCommand({ database, replica }: Divergence, url: string): string {
  const txid = formatTxid(replica.txid)
  return `litestream-ts restore -force -txid ${txid} -o ${shellWord(database)} ${shellWord(url)}`
}

/**
 * Converts a divergence to the form of the control socket and of `-json`. TXIDs become hexadecimal
 * digits, times become text, and sizes are in bytes.
 */
export function divergenceJson({ reason, at, replica, local }: Divergence): object {
  return {
    reason,
    at: new Date(at).toISOString(),
    replica_txid: formatTxid(replica.txid),
    replica_bytes: bytesOf(replica),
    local_txid: formatTxid(local.txid),
    local_bytes: bytesOf(local),
  }
}

/** Returns the hint for a divergence. */
export function divergenceHint(divergence: Divergence, url: string): string {
  const restore = restoreCommand(divergence, url)
  const keep = `litestream-ts acknowledge ${shellWord(url)}`
  return `To restore the old database, stop this process and the application, then run \`${restore}\`. To keep the new database, run \`${keep}\`.`
}
