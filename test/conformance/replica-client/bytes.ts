import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { formatFileName } from '../../../src/ltx/file-name.js'
import type { LtxFileRef } from '../../../src/storage/replica-client.js'

/** Bytes that differ at every offset, so that a range at a wrong offset is detected. */
export function testBytes(size: number, seed = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(size / 4))
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 2654435761) ^ Math.imul(seed, 40503)
  return new Uint8Array(words.buffer, 0, size)
}

/**
 * `bytes` as a stream in pieces of `piece` bytes, all in the same buffer, which is overwritten when
 * the next one is requested.
 */
export async function* inPieces(bytes: Uint8Array, piece: number): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(piece)
  for (let at = 0; at < bytes.byteLength; at += piece) {
    const part = bytes.subarray(at, at + piece)
    buffer.set(part)
    yield buffer.subarray(0, part.byteLength)
    buffer.fill(0xee)
  }
}

export async function concatenated(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of source) parts.push(part)
  return Buffer.concat(parts)
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

export function file(txid: number, level = 0): LtxFileRef {
  return { level, minTxid: txid, maxTxid: txid }
}

/**
 * Writes `count` L0 files of 64 bytes, from TXID 1 on, into the folder of a replica: a client would
 * sync each of them to the disk.
 */
export function fillLevel(root: string, count: number): void {
  const level = path.join(root, 'ltx/0')
  mkdirSync(level, { recursive: true })
  for (let txid = 1; txid <= count; txid++) writeFileSync(path.join(level, formatFileName(txid, txid)), testBytes(64))
}
