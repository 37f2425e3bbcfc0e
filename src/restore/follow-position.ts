import { stat } from 'node:fs/promises'
import { LitestreamError } from '../errors.js'
import { writeDurably } from '../fs/durable.js'
import { readRegular } from '../fs/open-regular.js'
import type { Ownership } from '../fs/owner.js'
import { formatTxid, parseTxid } from '../ltx/txid.js'
import { outputExists } from './output.js'

/** The position of a following database. */
export interface Position {
  readonly txid: number
  /**
   * Time in ms since the epoch, from the header of its newest file: distinguishes the replica from
   * one that was reset. Infinity: unknown.
   */
  readonly timestamp: number
}

/** A saved position. */
export interface SavedPosition extends Position {
  /** Litestream's own follower saved it, which records nothing in the database's header. */
  readonly isForeign: boolean
}

function txidFile(output: string): string {
  return `${output}-txid`
}

/**
 * Saves the TXID as text, in Litestream's form, and the timestamp as the file's mtime, as in a file
 * replica.
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
 * The position from which to continue; undefined: restore first. Throws OUTPUT_EXISTS for a
 * database without a saved position.
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
        hint: 'Choose a new output file, or use force (-force) to replace the database.',
      },
    )
  }
}

/**
 * The time of a position that this program saved is whole milliseconds; Litestream leaves the file
 * with the time at which it wrote it, which is not a time of the replica.
 */
export async function savedPosition(output: string): Promise<SavedPosition> {
  const txid = parseTxid((await readRegular(txidFile(output))).toString('utf8').trim())
  const { mtimeNs } = await stat(txidFile(output), { bigint: true })
  const isForeign = mtimeNs % 1_000_000n !== 0n
  return { txid, timestamp: isForeign ? Number.POSITIVE_INFINITY : Number(mtimeNs / 1_000_000n), isForeign }
}

/**
 * A crash between a change and saving its TXID leaves the saved TXID behind the database, whose
 * header has the change.
 */
export function reconcile(output: string, { txid, timestamp }: Position, counter: number): Position {
  const ahead = (counter - (txid % 2 ** 32) + 2 ** 32) % 2 ** 32
  if (ahead === 0) return { txid, timestamp }
  if (ahead < 2 ** 31) return { txid: txid + ahead, timestamp: Number.POSITIVE_INFINITY }
  throw new LitestreamError('HYDRATION_CONFLICT', `${output} is older than the TXID in ${txidFile(output)}`, {
    file: output,
    hint: 'Choose a new output file, or use force (-force) to replace the database.',
  })
}
