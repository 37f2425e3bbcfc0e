import { stat } from 'node:fs/promises'
import { LitestreamError } from '../errors.js'
import { writeDurably } from '../fs/durable.js'
import { readRegular } from '../fs/open-regular.js'
import type { Ownership } from '../fs/owner.js'
import { formatTxid, parseTxid } from '../ltx/txid.js'
import { outputExists } from './output.js'

/** The position of a database that follows a replica. */
export interface Position {
  readonly txid: number
  /**
   * Time in the header of the newest applied LTX file, in milliseconds since the epoch. `timestamp`
   * distinguishes a replica from the same replica after a reset. If the time is unknown,
   * `timestamp` is Infinity.
   */
  readonly timestamp: number
}

/** The saved position of a database that follows a replica. */
export interface SavedPosition extends Position {
  /**
   * Whether Litestream's own follower has saved the position. Litestream's follower does not write
   * the position to the header of the database.
   */
  readonly isForeign: boolean
}

function txidFile(output: string): string {
  return `${output}-txid`
}

/**
 * Saves the position of a database in its -txid file. The content of the -txid file is the TXID as
 * text. Litestream writes its -txid files in the same form. The modification time of the -txid file
 * is the timestamp. In the same way, the modification time of each file in a file replica is its
 * timestamp.
 */
export async function savePosition(
  output: string,
  { txid, timestamp }: Position,
  ownership?: Ownership,
): Promise<void> {
  const options = { mtime: timestamp, ...(ownership ? { ownership } : {}) }
  await writeDurably(txidFile(output), Buffer.from(`${formatTxid(txid)}\n`), options)
}

/**
 * Returns the position from which following continues. Returns undefined if the database must first
 * be restored. Throws OUTPUT_EXISTS for a database without a saved position.
 */
export async function resume(output: string, force: boolean): Promise<SavedPosition | undefined> {
  if (!(await outputExists(output)) || force) return undefined
  try {
    return await savedPosition(output)
  } catch (cause) {
    throw new LitestreamError(
      'OUTPUT_EXISTS',
      `cannot follow: ${output} exists, but ${txidFile(output)} has no valid TXID`,
      {
        file: output,
        cause,
        hint: 'Choose an output path at which no file exists, or replace the database with -force (option force).',
      },
    )
  }
}

/**
 * Reads a saved position. This program sets the modification time of the -txid file to a time of
 * the replica, in whole milliseconds. Litestream's follower does not set the modification time of
 * the -txid file.
 */
export async function savedPosition(output: string): Promise<SavedPosition> {
  const txid = parseTxid((await readRegular(txidFile(output))).toString('utf8').trim())
  const { mtimeNs } = await stat(txidFile(output), { bigint: true })
  const isForeign = mtimeNs % 1_000_000n !== 0n
  return { txid, timestamp: isForeign ? Number.POSITIVE_INFINITY : Number(mtimeNs / 1_000_000n), isForeign }
}

/**
 * Returns the position of the database. After a crash between applying a change and saving its
 * TXID, the saved TXID is lower than the TXID in the database header.
 */
export function reconcile(output: string, { txid, timestamp }: Position, counter: number): Position {
  const ahead = (counter - (txid % 2 ** 32) + 2 ** 32) % 2 ** 32
  if (ahead === 0) return { txid, timestamp }
  if (ahead < 2 ** 31) return { txid: txid + ahead, timestamp: Number.POSITIVE_INFINITY }
  throw new LitestreamError('HYDRATION_CONFLICT', `${output} is older than the TXID in ${txidFile(output)}`, {
    file: output,
    hint: 'Choose an output path at which no file exists, or replace the database with -force (option force).',
  })
}
