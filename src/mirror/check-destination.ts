import { LitestreamError } from '../errors.js'
import type { FilesByLevel } from '../levels/plan.js'
import { WRITER_RECORD_NAME } from '../levels/writer-record-name.js'
import { compareFiles } from '../storage/keys.js'
import type { LtxFileInfo } from '../storage/replica-client.js'
import { differs, isSameFile, type MirrorPair } from './copy-file.js'

/**
 * Throws REPLICA_FENCED if a primary writes to the destination or has written to the destination.
 * After a fail-over, the destination may have become the replica of a primary. The mirror must not
 * add files to the replica of a primary.
 */
export async function refuseWriter(
  { source, destination }: MirrorPair,
  signal: AbortSignal | undefined,
): Promise<void> {
  if ((await destination.getObject(WRITER_RECORD_NAME, signal ? { signal } : {})) === undefined) return
  throw new LitestreamError(
    'REPLICA_FENCED',
    `${destination.url}: a primary replicates to this replica, so ${source.url} is not mirrored to it`,
    {
      file: destination.url,
      hint: 'Stop this mirror, or mirror to an empty destination. A mirror never writes to a replica to which a primary replicates.',
    },
  )
}

/**
 * Throws REPLICA_RESET if the destination is not a copy of the source. The destination is not a
 * copy if two files of one name differ, if its highest TXID is above the source's, or if no file is
 * in both replicas. An empty destination is allowed.
 */
export async function checkHistory(
  pair: MirrorPair,
  source: FilesByLevel,
  destination: FilesByLevel,
  signal: AbortSignal | undefined,
): Promise<void> {
  const theirs = destination.flat()
  if (theirs.length === 0) return
  const [sourceEnd, destinationEnd] = [newestTxid(source), newestTxid(destination)]
  let newest: LtxFileInfo | undefined
  for (const [file, copy] of inBoth(source, destination)) {
    if (file.size !== copy.size) throw differs(pair, copy)
    if (newest === undefined || file.maxTxid > newest.maxTxid) newest = file
  }
  if (sourceEnd < destinationEnd || newest === undefined) throw unrelated(pair, sourceEnd, destinationEnd)
  if (!(await isSameFile(pair, newest, signal))) throw differs(pair, newest)
}

/** Yields each pair of files that have the same name in both listings. */
function* inBoth(
  source: FilesByLevel,
  destination: FilesByLevel,
): Generator<readonly [LtxFileInfo, LtxFileInfo], void, undefined> {
  for (const [level, files] of source.entries()) {
    const copies = destination[level] ?? []
    let next = 0
    for (const file of files) {
      while (next < copies.length && compareFiles(copies[next]!, file) < 0) next++
      const copy = copies[next]
      if (copy && compareFiles(copy, file) === 0) yield [file, copy]
    }
  }
}

/** Returns those files of `a` whose names do not occur in `b`. */
export function missingIn(a: FilesByLevel, b: FilesByLevel): LtxFileInfo[] {
  const both = new Set([...inBoth(a, b)].map(([file]) => file))
  return a.flatMap((files) => files.filter((file) => !both.has(file)))
}

/** Returns the highest TXID of the files, or 0 if there are no files. */
export function newestTxid(levels: FilesByLevel): number {
  return levels.reduce((newest, files) => files.reduce((max, { maxTxid }) => Math.max(max, maxTxid), newest), 0)
}

function unrelated(pair: MirrorPair, sourceEnd: number, destinationEnd: number): LitestreamError {
  const { source, destination } = pair
  const why =
    sourceEnd < destinationEnd
      ? `the source ends at TXID ${sourceEnd}, before the destination at TXID ${destinationEnd}`
      : 'source and destination have no file in common'
  return new LitestreamError('REPLICA_RESET', `${destination.url} is not a mirror of ${source.url}: ${why}`, {
    file: destination.url,
    hint: 'Mirror to an empty destination, such as another prefix, and keep the old destination until you no longer need it.',
  })
}
