import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { isLitestreamError } from '../../../src/errors.js'
import { ChunkIndexes } from '../../../src/storage/nats/chunk-index.js'
import { MetaStore } from '../../../src/storage/nats/meta-store.js'
import { chunkSubject } from '../../../src/storage/nats/names.js'
import { ObjectWriter } from '../../../src/storage/nats/object-writer.js'
import { NatsSession } from '../../../src/storage/nats/session.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { cleanUp } from '../../support/clean-up.js'
import { natsServerUrl, natsUrl } from '../../support/nats.js'

const FILE = { level: 0, minTxid: 1, maxTxid: 1 }
const NAME = 'ltx/0/0000000000000001-0000000000000001.ltx'
const body = new Uint8Array(1000)

/**
 * Another client writes the object after each read of its description, so that the description is
 * old when it is used.
 */
class Overtaken extends MetaStore {
  fetches = 0
  overtake: () => Promise<unknown> = async () => undefined

  override remembered(): undefined {
    return undefined
  }

  override async fetch(...args: Parameters<MetaStore['fetch']>): ReturnType<MetaStore['fetch']> {
    const stored = await super.fetch(...args)
    this.fetches++
    await this.overtake()
    return stored
  }
}

async function openWriter(t: TestContext) {
  const bucket = `test-${randomUUID()}`
  const url = natsUrl('', bucket)
  const other = await openReplicaClient(url)
  cleanUp(t, () => other.close())
  const server = natsServerUrl().replace(/^nats:\/\//, '')
  const session = await NatsSession.open({ server, bucket, url, settings: {} })
  cleanUp(t, () => session.close())
  const metas = new Overtaken(session, '')
  const writer = new ObjectWriter(session, metas, new ChunkIndexes(session), false)
  const puts = async () => {
    const info = await session.jsm.streams.info(session.stream, { subjects_filter: chunkSubject(bucket, '>') })
    return Object.keys(info.state.subjects ?? {}).length
  }
  return { other, metas, writer, puts, session }
}

const collides = (error: unknown) =>
  isLitestreamError(error, 'STORAGE_FAILED') &&
  /other writers changed the object during 100 attempts/.test(error.message) &&
  error.file?.endsWith(NAME) === true &&
  error.hint !== undefined

test('a write that always loses against other writers fails with an error, and leaves no chunks', async (t) => {
  const { other, metas, writer, puts } = await openWriter(t)
  await other.write(FILE, body, { timestamp: 1 })
  metas.overtake = () => other.write(FILE, body, { timestamp: 2 })
  await assert.rejects(writer.put(NAME, body, { expected: 'any' }), collides)
  assert.ok(metas.fetches <= 101, `${metas.fetches} fetches`)
  assert.equal(await puts(), 1)
})

test('a deletion that always loses against other writers fails with an error, and the object remains', async (t) => {
  const { other, metas, writer } = await openWriter(t)
  await other.write(FILE, body, { timestamp: 1 })
  metas.overtake = () => other.write(FILE, body, { timestamp: 2 })
  await assert.rejects(writer.delete(NAME, 'any', undefined), collides)
  assert.ok(metas.fetches <= 101, `${metas.fetches} fetches`)
  assert.equal((await other.read(FILE, { offset: 0 })).fileSize, body.length)
})

test('a write succeeds if it loses against other writers only a few times', async (t) => {
  const { other, metas, writer, puts } = await openWriter(t)
  await other.write(FILE, body, { timestamp: 1 })
  metas.overtake = async () => {
    if (metas.fetches <= 5) await other.write(FILE, body, { timestamp: 2 })
  }
  await writer.put(NAME, new Uint8Array(10), { expected: 'any' })
  assert.equal((await other.read(FILE, { offset: 0 }, { fresh: true })).fileSize, 10)
  assert.equal(await puts(), 1)
})
