import assert from 'node:assert/strict'
import { mock, type TestContext, test } from 'node:test'
import { type ErrorCode, isLitestreamError } from '../../../src/errors.js'
import { formatFileName } from '../../../src/ltx/file-name.js'
import { cleanUp } from '../../support/clean-up.js'
import { collect } from '../../support/collect.js'
import { s3ClientAt } from '../../support/faulty-s3.js'
import {
  type Behaviour,
  type ListedEntry,
  type LoopbackRequest,
  loopbackS3,
  sendListing,
  sendWithoutEnd,
  sendXml,
} from '../../support/loopback-s3.js'

const code =
  (...codes: ErrorCode[]) =>
  (error: unknown) =>
    isLitestreamError(error, ...codes) && error.hint !== undefined
const wrong = code('STORAGE_FAILED')

const key = (txid: number) => `app/0000/${formatFileName(txid, txid)}`

function entry(txid: number, fields: Partial<ListedEntry> = {}): ListedEntry {
  return { Key: key(txid), Size: 1000, ETag: '"e"', LastModified: '2026-01-01T00:00:00.000Z', ...fields }
}

async function hostile(t: TestContext, list: (...args: Parameters<Behaviour>) => unknown) {
  const random = mock.method(Math, 'random', () => 0)
  t.after(() => random.mock.restore())
  const store = await loopbackS3(t, (request, response) => {
    if (request.kind !== 'LIST') return false
    void list(request, response)
    return true
  })
  const client = await s3ClientAt(store.url(), { attempts: 3 })
  cleanUp(t, () => client.close())
  return { client, store }
}

/** Both ways to list. */
async function bothRefused(t: TestContext, what: string, list: (...args: Parameters<Behaviour>) => unknown) {
  const { client, store } = await hostile(t, list)
  await assert.rejects(collect(client.list(0)), wrong, what)
  await assert.rejects(collect(client.listUpwards(0)), wrong, what)
  return store
}

test('an endless listing is refused, and the client does not keep it in memory', async (t) => {
  const sent: Promise<number>[] = []
  const { client } = await hostile(t, (_, response) => {
    response.writeHead(200, { 'content-type': 'application/xml' })
    response.write('<?xml version="1.0"?><ListBucketResult>')
    sent.push(sendWithoutEnd(response, Buffer.from(`<Contents><Key>${'k'.repeat(65_000)}</Key></Contents>`)))
  })
  await assert.rejects(collect(client.list(0)), wrong)
  assert.equal(sent.length, 1, 'such an answer is not asked for again')
  assert.ok((await sent[0]!) < 64 * 2 ** 20)
})

test('a missing, repeated or circular continuation token ends the listing with an error', async (t) => {
  const pages: [
    string,
    (request: LoopbackRequest) => { entries: ListedEntry[]; token?: string; truncated?: boolean },
  ][] = [
    ['no token', () => ({ entries: [entry(1)], truncated: true })],
    ['an empty token', () => ({ entries: [entry(1)], token: '', truncated: true })],
    ['the same token', () => ({ entries: [], token: 'again' })],
    [
      'a circle of the same keys',
      ({ query }) => ({ entries: [entry(1)], token: query.get('continuation-token') === 'a' ? 'b' : 'a' }),
    ],
    [
      'a circle of foreign keys',
      ({ query }) => ({
        entries: [entry(1, { Key: 'app/0000/foreign' })],
        token: query.get('continuation-token') === 'a' ? 'b' : 'a',
      }),
    ],
  ]
  for (const [what, page] of pages) {
    const store = await bothRefused(t, what, (request, response) => sendListing(response, page(request)))
    assert.ok(store.seen.length <= 6, `${what}: ${store.seen.length} requests`)
  }
  let token = 0
  const store = await bothRefused(t, 'empty pages', (_, response) =>
    sendListing(response, { entries: [], token: `${++token}` }),
  )
  assert.ok(store.seen.length < 300, `${store.seen.length} requests for pages without an object`)
})

test('a listing entry is refused if it is out of order, duplicate, outside the prefix, or has an impossible size or time', async (t) => {
  const listings: [string, ListedEntry[]][] = [
    ['out of order', [entry(2), entry(1)]],
    ['twice', [entry(1), entry(1)]],
    ['outside the prefix', [{ ...entry(1), Key: `other/0000/${formatFileName(1, 1)}` }]],
    ['a negative size', [entry(1, { Size: -1 })]],
    ['a size that is no number', [entry(1, { Size: 'many' })]],
    ['a huge size', [entry(1, { Size: '99999999999999999999' })]],
    ['a size with a fraction', [entry(1, { Size: '1.5' })]],
    ['a time that is none', [entry(1, { LastModified: 'yesterday' })]],
    ['a day that is none', [entry(1, { LastModified: '2026-99-99T00:00:00.000Z' })]],
    ['a tag without end', [entry(1, { ETag: `"${'e'.repeat(100_000)}"` })]],
  ]
  const { Size: _, ...noSize } = entry(1)
  const { LastModified: __, ...noTime } = entry(1)
  listings.push(['no size', [noSize]], ['no time', [noTime]])
  for (const [what, entries] of listings) {
    const { client } = await hostile(t, (_, response) => sendListing(response, { entries }))
    const failed = code('STORAGE_FAILED', 'UNAVAILABLE')
    await assert.rejects(collect(client.list(0)), failed, what)
    await assert.rejects(collect(client.listUpwards(0)), failed, what)
  }
})

test('foreign object keys of any length between the keys of LTX files are skipped', async (t) => {
  const { client } = await hostile(t, (_, response) =>
    sendListing(response, {
      entries: [
        entry(1),
        entry(0, { Key: `app/0000/${'a'.repeat(200_000)}` }),
        entry(0, { Key: 'app/0000/b/c', Size: -1 }),
        entry(0, { Key: 'app/0000/😀' }),
        entry(0, { Key: 'app/0000/\ufffd' }),
      ],
    }),
  )
  assert.deepEqual(
    (await collect(client.list(0))).map(({ minTxid }) => minTxid),
    [1],
  )
})

test('an XML document with entities or endless nesting, or of another kind, is refused quickly', async (t) => {
  const bodies = [
    '<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx">]><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>',
    `${'<!DOCTYPE a>'.repeat(100_000)}<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>`,
    `<ListBucketResult>${'<Contents>'.repeat(500_000)}`,
    '<Error><Code>InternalError</Code></Error>',
    '<Other><IsTruncated>maybe</IsTruncated></Other>',
    '',
  ]
  for (const body of bodies) {
    const { client } = await hostile(t, (_, response) => sendXml(response, 200, body))
    await assert.rejects(collect(client.list(0)), code('STORAGE_FAILED', 'UNAVAILABLE'), body.slice(0, 50))
  }
})
