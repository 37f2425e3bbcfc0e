import type PQueue from 'p-queue'
import type { LtxFileRef, ReplicaClient } from '../storage/replica-client.js'
import { abortError, linkAbort } from '../util/abort.js'
import { SEGMENT_SIZE } from './frame-segments.js'

export interface SegmentOptions {
  /** Limits the running reads of all files that share it. */
  readonly queue: PQueue
  readonly signal: AbortSignal
  /** Free segments; they are reused, which saves the kernel from allocating pages. */
  readonly buffers: Uint8Array[]
  /** Called with the size of each segment that arrived. */
  readonly onFetched?: (bytes: number) => void
}

/**
 * Reads pieces of a file, given as [offset, length], in parallel ahead of the consumer, at most as
 * many as the queue runs concurrently, and yields them in order. One stream of a store is slower
 * than several; the pieces read ahead bound the memory. A piece is valid until the next one is
 * requested.
 */
export async function* readAhead(
  client: ReplicaClient,
  file: LtxFileRef,
  ranges: Iterable<readonly [offset: number, length: number]>,
  { queue, signal, buffers, onFetched }: SegmentOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  // A separate controller, so that a consumer that stops early also cancels the remaining reads.
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
    // Awaited below, unless another read failed first.
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

/** Divides a file of `size` bytes into segments. */
export function* segmentsOf(size: number): Generator<readonly [number, number]> {
  for (let at = 0; at < size; at += SEGMENT_SIZE) yield [at, Math.min(SEGMENT_SIZE, size - at)]
}
