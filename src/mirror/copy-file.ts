import { isLitestreamError, LitestreamError } from '../errors.js'
import { decodeListed } from '../levels/decode-listed.js'
import { identifyRemote, ifSound } from '../levels/ltx-identity.js'
import type { LtxDecoding } from '../ltx/decoder.js'
import { fileLabel } from '../ltx/file-label.js'
import type { LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import type { Throttle } from './throttle.js'

export interface CopyOptions {
  readonly throttle: Throttle
  /** Called with the size in bytes of each chunk that was read from the source. */
  readonly onBytes: (bytes: number) => void
  readonly signal?: AbortSignal | undefined
}

/** The source and the destination of a mirror. */
export interface MirrorPair {
  readonly source: ReplicaClient
  readonly destination: ReplicaClient
}

/**
 * Copies one file and verifies all its content during the copy. The destination stores the file
 * completely or not at all. If the destination already has a file with the same name, compares the
 * checksums of both files. Throws LTX_CORRUPT if the source's file is damaged, and NOT_FOUND if the
 * source's file was deleted. Throws REPLICA_RESET if the destination has a different file with the
 * same name. Throws errors of the stores.
 */
export async function copyFile(
  { source, destination }: MirrorPair,
  file: LtxFileInfo,
  { throttle, onBytes, signal }: CopyOptions,
): Promise<void> {
  const request = signal ? { signal } : {}
  const label = fileLabel(source, file)
  const pulled: Uint8Array[] = []
  const ltx = await decodeListed(keepPulled(source.stream(file, request), pulled), file, label)
  const body = checkedBody(ltx, pulled, async (bytes) => {
    onBytes(bytes)
    await throttle.pass(bytes, signal)
  })
  try {
    await destination.write(file, body, { timestamp: ltx.header.timestamp, createOnly: true, ...request })
  } catch (error) {
    if (!isLitestreamError(error, 'PRECONDITION_FAILED')) throw error
    if (!(await isSameFile({ source, destination }, file, signal))) throw differs({ source, destination }, file)
  } finally {
    // If the destination refused the upload before it read the body, the source is still open and
    // must be closed.
    await body.return()
    await ltx.cancel()
  }
}

/**
 * Yields the chunks of a file unchanged, and appends a copy of each chunk to `pulled`. Each chunk
 * is copied, because its owner may overwrite it after the next chunk was requested.
 */
async function* keepPulled(
  chunks: AsyncIterable<Uint8Array>,
  pulled: Uint8Array[],
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of chunks) {
    pulled.push(Uint8Array.from(chunk))
    yield chunk
  }
}

/**
 * Yields the chunks of a file and decodes the file at the same time. The iteration ends without an
 * error only if the whole file is a valid LTX file.
 */
async function* checkedBody(
  ltx: LtxDecoding,
  pulled: Uint8Array[],
  pass: (bytes: number) => Promise<void>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const _ of ltx.batches) yield* handOver(pulled, pass)
  yield* handOver(pulled, pass)
}

async function* handOver(
  pulled: Uint8Array[],
  pass: (bytes: number) => Promise<void>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (const chunk of pulled.splice(0)) {
    await pass(chunk.byteLength)
    yield chunk
  }
}

/**
 * Returns whether the file with this name has the same content in both replicas. Sends four small
 * requests. Returns false if either file is damaged.
 */
export async function isSameFile(
  { source, destination }: MirrorPair,
  { level, minTxid, maxTxid }: LtxFileInfo,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  // The size and the version of the file are omitted, because the two stores may report different
  // values.
  const file = { level, minTxid, maxTxid }
  const request = signal ? { signal } : {}
  const [ours, theirs] = await Promise.all([
    ifSound(() => identifyRemote(source, file, request)),
    ifSound(() => identifyRemote(destination, file, request)),
  ])
  return ours !== undefined && theirs !== undefined && ours.checksum === theirs.checksum && ours.size === theirs.size
}

/** Returns the error for a destination that is not a copy of the source. */
export function differs({ source, destination }: MirrorPair, file: LtxFileInfo): LitestreamError {
  return new LitestreamError(
    'REPLICA_RESET',
    `${fileLabel(destination, file)} differs from the file of the same name in ${source.url}: ` +
      'the source was reset, or the destination is a mirror of another database',
    {
      file: destination.url,
      hint: 'Mirror to an empty destination, such as another prefix, and keep the old destination until you no longer need it.',
    },
  )
}
