import { LitestreamError } from '../errors.js'
import { corrupt } from '../ltx/corrupt.js'
import {
  CHECKSUM_FLAG,
  FLAG_NO_CHECKSUM,
  HEADER_SIZE,
  INDEX_LENGTH_SIZE,
  maxFrameSize,
  PAGE_HEADER_SIZE,
  TRAILER_SIZE,
} from '../ltx/format.js'
import { encodeHeader, type LtxHeader } from '../ltx/header.js'
import { formatTxid } from '../ltx/txid.js'
import { native } from '../native/addon.js'
import type { FrameMerger } from '../native/frame-merger.js'
import { MergeInput, type MergeSource } from './merge-input.js'

/**
 * Initial size (FIRST_OUTPUT_SIZE) and maximum size (OUTPUT_SIZE) of the output buffer, in bytes.
 * Most merges are small, so the buffer starts small and grows.
 */
const FIRST_OUTPUT_SIZE = 64 * 1024
const OUTPUT_SIZE = 1024 * 1024

/**
 * Number of results of one step of the merger. Each step of the merger also has one result for each
 * input.
 */
const RESULT_SLOTS = 7

export interface Merge {
  /**
   * The header of the merged file. The min TXID of the merged file is the min TXID of the first
   * input. The max TXID, the commit and the timestamp of the merged file are those of the last
   * input. The header of the merged file has no checksum.
   */
  readonly header: LtxHeader
  /**
   * The content of the merged file, which can be read only once. The bytes of a chunk are
   * overwritten when the reader requests the next chunk. If an input is damaged, the iteration
   * throws before it yields the last chunk.
   */
  readonly bytes: AsyncIterable<Uint8Array>
  /**
   * Closes the inputs. A caller that does not read `bytes` to the end must call `cancel`, for
   * example if the store refuses the upload.
   */
  cancel(): Promise<void>
}

/**
 * Merges contiguous LTX files, oldest first, into one LTX file. Copies the newest frame of every
 * page, without decompressing the frame. Omits pages that are not in the database after the last
 * file. Before the output ends, every input was read to its end and its checksum was verified.
 * Needs memory for one chunk per input and for the page index of the output (9 bytes per page).
 *
 * Throws LTX_CORRUPT for a damaged input, and PAGE_SIZE_MISMATCH for different page sizes. Throws
 * LTX_GAP for inputs that are not contiguous.
 */
export async function mergeLtx(sources: readonly MergeSource[]): Promise<Merge> {
  const opened = await Promise.allSettled(sources.map((source) => MergeInput.open(source)))
  const inputs = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  try {
    const failed = opened.find((result) => result.status === 'rejected')
    if (failed) throw failed.reason
    const header = mergedHeader(inputs)
    return { header, bytes: merge(inputs, header), cancel: () => cancelAll(inputs) }
  } catch (error) {
    await cancelAll(inputs)
    throw error
  }
}

async function cancelAll(inputs: readonly MergeInput[]): Promise<void> {
  await Promise.allSettled(inputs.map(({ reader }) => reader.cancel()))
}

function mergedHeader(inputs: readonly MergeInput[]): LtxHeader {
  const first = inputs[0]!.header
  const last = inputs.at(-1)!.header
  for (let i = 1; i < inputs.length; i++) {
    const { header, label } = inputs[i]!
    const before = inputs[i - 1]!
    if (header.pageSize !== first.pageSize) {
      throw new LitestreamError(
        'PAGE_SIZE_MISMATCH',
        `${label} has pages of ${header.pageSize} bytes, but ${inputs[0]!.label} has pages of ${first.pageSize} bytes`,
        {
          file: label,
          hint: 'LTX files of different page sizes cannot be merged. Write a new snapshot: `litestream-ts replicate -once -force-snapshot DB URL`.',
        },
      )
    }
    if (header.minTxid > before.header.maxTxid + 1 || header.maxTxid <= before.header.maxTxid) {
      throw new LitestreamError(
        'LTX_GAP',
        `${label} does not follow ${before.label}, which ends at TXID ${formatTxid(before.header.maxTxid)}`,
        {
          file: label,
          hint: 'Run `litestream-ts verify` on the replica, then write a new snapshot (`litestream-ts replicate -once -force-snapshot DB URL`).',
        },
      )
    }
  }
  return {
    flags: FLAG_NO_CHECKSUM,
    pageSize: first.pageSize,
    commit: last.commit,
    minTxid: first.minTxid,
    maxTxid: last.maxTxid,
    timestamp: last.timestamp,
    preApplyChecksum: 0n,
    walOffset: 0,
    walSize: 0,
    walSalt1: 0,
    walSalt2: 0,
    nodeId: 0n,
  }
}

async function* merge(inputs: readonly MergeInput[], header: LtxHeader): AsyncGenerator<Uint8Array, void, undefined> {
  const { pageSize, commit, minTxid } = header
  try {
    const start = encodeHeader(header)
    yield start
    const merger = new native.FrameMerger(
      pageSize,
      commit,
      minTxid === 1,
      native.crc64(0n, start),
      HEADER_SIZE,
      inputs.map((input) => ({
        commit: input.header.commit,
        snapshot: input.header.minTxid === 1,
        crc: input.crc,
        offset: HEADER_SIZE,
      })),
    )
    yield* mergeFrames(inputs, merger, pageSize)
    for (const [i, input] of inputs.entries()) await input.finish(merger.input(i))
    yield endOfFile(merger)
  } finally {
    await cancelAll(inputs)
  }
}

async function* mergeFrames(
  inputs: readonly MergeInput[],
  merger: FrameMerger,
  pageSize: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let size = Math.max(FIRST_OUTPUT_SIZE, 2 * maxFrameSize(pageSize))
  const result = new Float64Array(RESULT_SLOTS + inputs.length)
  const bytes = inputs.map(({ reader }) => reader.available)
  let out = new Uint8Array(size)
  let filled = 0
  const { merge, mergeFaults } = native.constants
  for (;;) {
    const status = merger.step(bytes, out.subarray(filled), result)
    filled += result[0]!
    const [from, start, length] = [result[4]!, result[5]!, result[6]!]
    // `run` is a view of a chunk of an input, so the next call of `more()` may overwrite it.
    const run = bytes[from]!.subarray(start, start + length)
    for (const [i, { reader }] of inputs.entries()) {
      const used = result[RESULT_SLOTS + i]!
      if (used === 0) continue
      reader.take(used)
      bytes[i] = reader.available
    }
    if (run.length > 0) {
      if (filled > 0) yield out.subarray(0, filled)
      filled = 0
      yield run
    }
    if (status === merge.needInput) {
      const i = result[1]!
      const { reader, label } = inputs[i]!
      if (!(await reader.more())) {
        throw corrupt('the file ends inside the page block', label, merger.input(i).offset + reader.available.length)
      }
      bytes[i] = reader.available
      continue
    }
    if (status === merge.fault) {
      const i = result[1]!
      const { offset, pgno } = merger.input(i)
      const what = mergeFaults[result[2]!] ?? 'the page frame is damaged'
      throw corrupt(what, inputs[i]!.label, offset, pgno === 0 ? undefined : pgno)
    }
    if (status === merge.incomplete) throw incomplete(inputs, result[3]!)
    const isFull = filled > 0
    if (isFull) yield out.subarray(0, filled)
    if (status === merge.done) return
    filled = 0
    if (!isFull || size >= OUTPUT_SIZE) continue
    size = Math.min(OUTPUT_SIZE, size * 4)
    out = new Uint8Array(size)
  }
}

function incomplete(inputs: readonly MergeInput[], pgno: number): LitestreamError {
  const { label } = inputs.at(-1)!
  return corrupt(`page ${pgno} is missing in this file and in the ${inputs.length - 1} files before it`, label, 0, pgno)
}

function endOfFile(merger: FrameMerger): Uint8Array {
  const { crc, index } = merger.output()
  const bytes = new Uint8Array(PAGE_HEADER_SIZE + index.length + 1 + INDEX_LENGTH_SIZE + TRAILER_SIZE)
  bytes.set(index, PAGE_HEADER_SIZE)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(PAGE_HEADER_SIZE + index.length + 1, BigInt(index.length + 1))
  const checksumAt = bytes.length - 8
  view.setBigUint64(checksumAt, native.crc64(crc, bytes.subarray(0, checksumAt)) | CHECKSUM_FLAG)
  return bytes
}
