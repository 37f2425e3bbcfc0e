import { isLitestreamError, LitestreamError } from '../errors.js'
import { decodeListed } from '../levels/decode-listed.js'
import { identifyRemote, ifSound } from '../levels/ltx-identity.js'
import type { LtxDecoding } from '../ltx/decoder.js'
import { fileLabel } from '../ltx/file-label.js'
import type { LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import type { Throttle } from './throttle.js'

export interface CopyOptions {
  readonly throttle: Throttle
  /** Called with the number of bytes of each chunk that is read from the source. */
  readonly onBytes: (bytes: number) => void
  readonly signal?: AbortSignal | undefined
}

/** A source and a destination. */
export interface MirrorPair {
  readonly source: ReplicaClient
  readonly destination: ReplicaClient
}

/**
 * Copies one file and verifies every byte during the copy: the destination gets the whole file or
 * none. If the destination already has the file, compares their checksums. Throws LTX_CORRUPT for a
 * file that is damaged in the source, NOT_FOUND for one that was deleted there, REPLICA_RESET if
 * the destination has another file of that name, and errors of a store.
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
    // If a store refuses the name before it requests the body, the source is still open.
    await body.return()
    await ltx.cancel()
  }
}

/**
 * Passes on the chunks of a file and keeps a copy of each: the owner may reuse a chunk when the
 * next one is requested.
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

/** The bytes of a file while it is decoded; ends only after the whole file was checked. */
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
 * Whether both replicas have the same content for this name; four small reads. A damaged file
 * equals no other.
 */
export async function isSameFile(
  { source, destination }: MirrorPair,
  { level, minTxid, maxTxid }: LtxFileInfo,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  // Without size and version, which the two stores report differently.
  const file = { level, minTxid, maxTxid }
  const request = signal ? { signal } : {}
  const [ours, theirs] = await Promise.all([
    ifSound(() => identifyRemote(source, file, request)),
    ifSound(() => identifyRemote(destination, file, request)),
  ])
  return ours !== undefined && theirs !== undefined && ours.checksum === theirs.checksum && ours.size === theirs.size
}

/** The error for a destination that is not a copy of the source. */
export function differs({ source, destination }: MirrorPair, file: LtxFileInfo): LitestreamError {
  return new LitestreamError(
    'REPLICA_RESET',
    `${fileLabel(destination, file)} differs from the file of the same name in ${source.url}: ` +
      'the source was reset, or the destination belongs to another database',
    {
      file: destination.url,
      hint: 'Mirror to an empty destination, such as another prefix, and keep the old one until you no longer need it.',
    },
  )
}
