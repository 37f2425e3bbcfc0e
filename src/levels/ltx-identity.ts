import { closeSync, fstatSync, readSync } from 'node:fs'
import { isLitestreamError } from '../errors.js'
import { readRegular, streamRegular } from '../fs/open-regular.js'
import { openRegularSync } from '../fs/open-regular-sync.js'
import { corrupt } from '../ltx/corrupt.js'
import { fileLabel } from '../ltx/file-label.js'
import { HEADER_SIZE, INDEX_LENGTH_SIZE, TRAILER_SIZE } from '../ltx/format.js'
import { decodeHeader } from '../ltx/header.js'
import { MIN_FILE_SIZE, parseTailPlaces } from '../ltx/tail.js'
import type { LtxFileRef, ReplicaClient, RequestOptions } from '../storage/replica-client.js'

/** The fields that distinguish an LTX file from other LTX files with the same name. */
export interface LtxIdentity {
  readonly pageSize: number
  /** Timestamp of the header in milliseconds since the epoch. */
  readonly timestamp: number
  /** The file checksum as 16 hexadecimal digits. */
  readonly checksum: string
  /** Size of the file in bytes. */
  readonly size: number
}

const TAIL = INDEX_LENGTH_SIZE + TRAILER_SIZE

/** Reads the identity of a staged file from its header and its trailer. Throws LTX_CORRUPT. */
export function identifyStaged(path: string): LtxIdentity {
  const fd = openRegularSync(path)
  try {
    const { size } = fstatSync(fd)
    if (size < MIN_FILE_SIZE) throw corrupt(`the file has only ${size} bytes`, path, size)
    const head = Buffer.alloc(HEADER_SIZE)
    const tail = Buffer.alloc(TAIL)
    readSync(fd, head, 0, HEADER_SIZE, 0)
    readSync(fd, tail, 0, TAIL, Math.max(0, size - TAIL))
    return identity(head, tail, size, path)
  } finally {
    closeSync(fd)
  }
}

/** Reads the identity of a file in the replica with two small requests. Throws LTX_CORRUPT. */
export async function identifyRemote(
  client: ReplicaClient,
  file: LtxFileRef,
  options: RequestOptions = {},
): Promise<LtxIdentity> {
  const label = fileLabel(client, file)
  try {
    const [head, tail] = await Promise.all([
      client.read(file, { offset: 0, length: HEADER_SIZE }, options),
      client.read(file, { suffix: TAIL }, options),
    ])
    return identity(head.data, tail.data, tail.fileSize, label)
  } catch (error) {
    // A store rejects a range that begins after the end of the file.
    if (isLitestreamError(error, 'INVALID_ARGUMENT')) throw corrupt('the file is too short', label, 0)
    throw error
  }
}

function identity(head: Uint8Array, tail: Uint8Array, size: number, file: string): LtxIdentity {
  const header = decodeHeader(head, file)
  const { pageSize, timestamp } = header
  if (size < MIN_FILE_SIZE) throw corrupt(`the file has only ${size} bytes`, file, size)
  const { fileChecksum } = parseTailPlaces(tail, size, header, file)
  return { pageSize, timestamp, checksum: fileChecksum.toString(16).padStart(16, '0'), size }
}

/** Returns undefined if `identify` throws LTX_CORRUPT. */
export async function ifSound(identify: () => LtxIdentity | Promise<LtxIdentity>): Promise<LtxIdentity | undefined> {
  try {
    return await identify()
  } catch (error) {
    if (isLitestreamError(error, 'LTX_CORRUPT')) return undefined
    throw error
  }
}

const AT_ONCE = 4 * 1024 * 1024

/**
 * Yields the content of a staged file. A file of at most AT_ONCE bytes is one chunk. The file is
 * opened when the store requests the first chunk, because a failed upload may request no chunk.
 */
export async function* stagedBody(path: string, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  if (size <= AT_ONCE) yield await readRegular(path, AT_ONCE)
  else yield* streamRegular(path, 1024 * 1024)
}
