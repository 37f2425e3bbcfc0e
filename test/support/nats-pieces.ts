import { createHash } from 'node:crypto'
import { jetstream } from '@nats-io/jetstream'
import { Objm } from '@nats-io/obj'
import { connect, nuid } from '@nats-io/transport-node'
import { natsServerUrl } from './nats.js'

const NAME = 'ltx/9/0000000000000001-0000000000000001.ltx'

/**
 * Writes a snapshot of TXID 1 into a new bucket as Litestream 0.5.17 does: in chunks as small as
 * the pieces that its encoder hands on, of different sizes. Returns the number of chunks.
 */
export async function putInPieces(bucket: string, body: Buffer, sizes: readonly number[]): Promise<number> {
  const connection = await connect({ servers: natsServerUrl().replace('nats://', '') })
  const js = jetstream(connection)
  await new Objm(js).create(bucket, { storage: 'file' as never })
  const id = nuid.next()
  let chunks = 0
  const sent: Promise<unknown>[] = []
  for (let at = 0; at < body.length; chunks++) {
    const size = sizes[chunks % sizes.length]!
    sent.push(js.publish(`$O.${bucket}.C.${id}`, body.subarray(at, at + size)))
    at += size
    if (sent.length === 500) await Promise.all(sent.splice(0))
  }
  await Promise.all(sent)
  const meta = {
    name: NAME,
    bucket,
    nuid: id,
    size: body.length,
    chunks,
    mtime: '0001-01-01T00:00:00Z',
    digest: `SHA-256=${urlSafe(createHash('sha256').update(body).digest())}`,
    options: { max_chunk_size: 131_072 },
    headers: { 'Litestream-Timestamp': ['2026-01-01T00:00:00Z'] },
  }
  await js.publish(`$O.${bucket}.M.${urlSafe(Buffer.from(NAME))}`, JSON.stringify(meta))
  await connection.close()
  return chunks
}

/** The base64 of object stores: for URLs, and padded. */
function urlSafe(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_')
}
