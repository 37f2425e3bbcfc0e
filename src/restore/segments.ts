import type PQueue from 'p-queue'
import type { LtxFileRef, ReplicaClient } from '../storage/replica-client.js'
import { abortError, linkAbort } from '../util/abort.js'
import { SEGMENT_SIZE } from './frame-segments.js'

export interface SegmentOptions {
  /** Limits the number of concurrent reads of all files that share this queue. */
  readonly queue: PQueue
  readonly signal: AbortSignal
  /**
   * Free buffers for segments. The reads reuse these buffers, so that the operating system need not
   * allocate memory pages again.
   */
  readonly buffers: Uint8Array[]
  /** Called with the size of each piece that arrived, in bytes. */
  readonly onFetched?: (bytes: number) => void
}

/**
 * Reads pieces of a file in parallel and yields the pieces in order. The reads begin before the
 * consumer requests the pieces. Each piece of the file is given as [offset, length]. The number of
 * pieces that are read in advance equals the concurrency of the queue. The concurrency of the queue
 * therefore also limits the memory. Several parallel requests to a store are faster than one
 * request. A yielded piece is valid until the consumer requests the next piece.
 */
export async function* readAhead(
  client: ReplicaClient,
  file: LtxFileRef,
  ranges: Iterable<readonly [offset: number, length: number]>,
  { queue, signal, buffers, onFetched }: SegmentOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  // Because of this AbortController, a consumer that stops early also cancels the remaining reads.
  const stop = new AbortController()
  const unlink = linkAbort(signal, stop)
  const either = stop.signal
  const pending: Promise<{ readonly data: Uint8Array; readonly segment?: Uint8Array }>[] = []
  const rest = ranges[Symbol.iterator]()
  const startNext = () => {
    const next = rest.next()
    if (next.done) return
    const [offset, length] = next.value
    const read = queue.add(async () => {
      if (either.aborted) throw abortError(either, 'reading')
      const into = buffers.pop() ?? new Uint8Array(SEGMENT_SIZE)
      const { data } = await client.read(file, { offset, length }, { signal: either, into })
      onFetched?.(data.length)
      if (data.buffer === into.buffer) return { data, segment: into }
      buffers.push(into)
      return { data }
    })
    // The loop below awaits this read, unless another read failed first.
    read.catch(() => {})
    pending.push(read)
  }
  try {
    for (let i = 0; i < queue.concurrency; i++) startNext()
    for (let next = pending.shift(); next; next = pending.shift()) {
      const { data, segment } = await next
      startNext()
      yield data
      if (segment) buffers.push(segment)
    }
  } finally {
    unlink()
    stop.abort()
  }
}

/** Divides a file of `size` bytes into segments. Yields [offset, length] for each segment. */
export function* segmentsOf(size: number): Generator<readonly [number, number]> {
  for (let at = 0; at < size; at += SEGMENT_SIZE) yield [at, Math.min(SEGMENT_SIZE, size - at)]
}
