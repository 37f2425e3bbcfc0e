import type { FileHandle } from 'node:fs/promises'
import { fsError } from '../../fs/fs-error.js'
import { openRegular } from '../../fs/open-regular.js'
import { type BodyOptions, type OpenedBody, readBody } from '../body-reader.js'
import { checkSameFile } from '../object-identity.js'
import { resolveRange } from '../range.js'
import type { LtxFileRef } from '../replica-client.js'
import { DEFAULT_POLICY } from '../request-policy.js'
import { infoOf, readFully } from './read-file.js'

/** Size of a stream's chunks in bytes. */
const STREAM_CHUNK = 256 * 1024

export interface FileStreamOptions extends Pick<BodyOptions, 'signal' | 'closing' | 'counters'> {
  /** Offset of the first byte to read. */
  readonly offset: number
  /** Runs one counted operation of the client. */
  readonly run: (act: () => Promise<OpenedBody>) => Promise<OpenedBody>
}

/** Reads the file `name` from `offset` to its end. */
export function streamFile(
  file: LtxFileRef,
  name: string,
  { offset, run, ...options }: FileStreamOptions,
): AsyncIterable<Uint8Array> {
  return readBody((at = offset) => run(() => openBody(file, name, at)), {
    policy: DEFAULT_POLICY,
    what: `reading ${name}`,
    operation: 'GET',
    toError: (error) => fsError(error, 'reading', name),
    ...options,
  })
}

async function openBody(file: LtxFileRef, name: string, at: number): Promise<OpenedBody> {
  const { handle, stats } = await openRegular(name)
  try {
    const found = infoOf(file, stats)
    checkSameFile(file, found, name)
    const { offset: start } = resolveRange({ offset: at }, found.size, name)
    const end = found.size
    const chunks = chunksOf(handle, start, end, name)
    // A system call cannot be cancelled. `cancel` therefore does nothing, and `close` closes the
    // file handle after the running call.
    return { wanted: { start, end }, start, end, chunks, cancel: () => undefined, close: () => handle.close() }
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function* chunksOf(handle: FileHandle, start: number, end: number, name: string): AsyncGenerator<Uint8Array> {
  for (let at = start; at < end; at += STREAM_CHUNK) {
    const chunk = new Uint8Array(Math.min(STREAM_CHUNK, end - at))
    await readFully(handle, chunk, at, name)
    yield chunk
  }
}
