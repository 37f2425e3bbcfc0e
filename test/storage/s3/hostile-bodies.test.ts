import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { mock, type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type ErrorCode, isLitestreamError } from '../../../src/errors.js'
import type { RequestPolicy } from '../../../src/storage/request-policy.js'
import { cleanUp } from '../../support/clean-up.js'
import { collect } from '../../support/collect.js'
import { s3ClientAt } from '../../support/faulty-s3.js'
import { type LoopbackRequest, loopbackS3, objectHeaders, sendWithoutEnd } from '../../support/loopback-s3.js'

const SIZE = 300_000
const object = { body: randomBytes(SIZE) }
const KEY = 'app/0000/0000000000000001-0000000000000001.ltx'
const file = { level: 0, minTxid: 1, maxTxid: 1 }

const code =
  (...codes: ErrorCode[]) =>
  (error: unknown) =>
    isLitestreamError(error, ...codes) && error.hint !== undefined

/** A client of a store that answers each GET of the object with `answer`. */
async function hostile(
  t: TestContext,
  answer: (response: ServerResponse, request: LoopbackRequest, count: number) => unknown,
  policy: Partial<RequestPolicy> = {},
) {
  const random = mock.method(Math, 'random', () => 0)
  t.after(() => random.mock.restore())
  const store = await loopbackS3(t)
  store.objects.set(KEY, object)
  let count = 0
  store.behave((request, response) => {
    if (request.kind !== 'GET') return false
    void answer(response, request, ++count)
    return true
  })
  const client = await s3ClientAt(store.url(), { attempts: 4, ...policy })
  cleanUp(t, () => client.close())
  return { client, count: () => count }
}

const head = (response: ServerResponse, range: string, headers: Record<string, string> = {}) =>
  response.writeHead(206, { ...objectHeaders(object), 'content-range': `bytes ${range}`, ...headers })

const RANGES = [{ offset: 0 }, { suffix: 1000 }, { offset: 1000, length: 2000 }] as const

/** First and last byte of what a Range header asks for. */
function asked({ headers }: LoopbackRequest): [number, number] {
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(headers.range ?? '') ?? []
  if (from === '') return [SIZE - Number(to), SIZE - 1]
  return [Number(from), to === '' ? SIZE - 1 : Number(to)]
}

test('a response body that becomes longer than announced is refused, and is not kept in memory', async (t) => {
  const sent: Promise<number>[] = []
  const { client, count } = await hostile(t, (response, request) => {
    const [first, last] = asked(request)
    head(response, `${first}-${last}/${SIZE}`)
    response.write(object.body.subarray(first, last + 1))
    sent.push(sendWithoutEnd(response, Buffer.alloc(1 << 16)))
  })
  for (const range of RANGES) await assert.rejects(client.read(file, range), code('STORAGE_FAILED'))
  await assert.rejects(collect(client.stream(file)), code('STORAGE_FAILED'))
  assert.equal(count(), RANGES.length + 1, 'such an answer is not asked for again')
  for (const bytes of await Promise.all(sent)) assert.ok(bytes < 64 * 2 ** 20, `${bytes} bytes were taken`)
})

test('a response with a byte range that the client did not request is refused', async (t) => {
  const wrong = [
    `0-1999/${SIZE}`, // another offset
    `1000-3999/${SIZE}`, // longer than asked
    `1000-2999/2000`, // beyond the size
    `2000-1000/${SIZE}`,
    `1000-2999/*`,
    `1000-2999/99999999999999999999`,
    `1000-2999`,
    'nonsense',
  ]
  for (const range of wrong) {
    const { client, count } = await hostile(t, (response) => {
      head(response, range, { 'content-length': '2000' }).end(object.body.subarray(1000, 3000))
    })
    await assert.rejects(client.read(file, { offset: 1000, length: 2000 }), code('STORAGE_FAILED'), range)
    assert.equal(count(), 1, range)
  }
})

test('if a store responds to a range request with the whole object, the client reads up to the last requested byte', async (t) => {
  const { client } = await hostile(t, (response) => {
    response.writeHead(200, { ...objectHeaders(object), 'content-length': SIZE }).end(object.body)
  })
  for (const [range, from, to] of [
    [{ offset: 0 }, 0, SIZE],
    [{ suffix: 1000 }, SIZE - 1000, SIZE],
    [{ offset: 1000, length: 2000 }, 1000, 3000],
  ] as const) {
    const { data, offset, fileSize } = await client.read(file, range)
    assert.ok(object.body.subarray(from, to).equals(data))
    assert.deepEqual([offset, fileSize], [from, SIZE])
  }
  assert.ok(object.body.subarray(5).equals(Buffer.concat(await collect(client.stream(file, { offset: 5 })))))
  await assert.rejects(client.read(file, { offset: SIZE + 1 }), code('INVALID_ARGUMENT'))
})

test('a whole object of unknown length is refused, because its end cannot be distinguished from a broken connection', async (t) => {
  const { client } = await hostile(t, (response) => {
    response.writeHead(200, objectHeaders(object)).end(object.body)
  })
  await assert.rejects(client.read(file, { offset: 0 }), code('UNAVAILABLE'))
})

test('if each response of a download has one byte or no byte, the download fails after the maximum number of attempts', async (t) => {
  for (const bytes of [0, 1]) {
    const { client, count } = await hostile(t, (response, request) => {
      const [first, last] = asked(request)
      head(response, `${first}-${last}/${SIZE}`, { 'content-length': String(last - first + 1) })
      response.write(object.body.subarray(first, first + bytes), () => response.destroy())
      if (bytes === 0) response.destroy()
    })
    await assert.rejects(client.read(file, { offset: 0 }), code('UNAVAILABLE', 'TIMEOUT'))
    assert.equal(count(), 4, `${bytes} bytes`)
  }
})

test('a truncated well-formed response is continued, and the download ends if no more bytes follow', async (t) => {
  const { client, count } = await hostile(t, (response, request) => {
    const [first, last] = asked(request)
    if (first >= SIZE - 100) return void response.writeHead(416, { 'content-length': 0 }).end()
    const part = object.body.subarray(first, Math.min(last + 1, SIZE - 100))
    head(response, `${first}-${last}/${SIZE}`, { 'content-length': String(part.length) }).end(part)
  })
  await assert.rejects(client.read(file, { offset: 0 }), code('INVALID_ARGUMENT'))
  assert.equal(count(), 2)
})

test('if the size of an object changes between two responses, the responses are not joined', async (t) => {
  const { client } = await hostile(t, (response, request, count) => {
    const [first, last] = asked(request)
    const size = SIZE + (count > 1 ? 1 : 0)
    head(response, `${first}-${last}/${size}`, { 'content-length': String(last - first + 1) })
    response.write(object.body.subarray(first, first + 100_000))
    setImmediate(() => response.destroy())
  })
  await assert.rejects(collect(client.stream(file)), code('NOT_FOUND'))
})

test('the time for a response body that stops, arrives very slowly or never ends its chunks is limited', async (t) => {
  const range = { offset: 0, length: 1000 }
  const silent = await hostile(
    t,
    (response, request) => {
      const [first, last] = asked(request)
      head(response, `${first}-${last}/${SIZE}`).write(object.body.subarray(first, first + 100))
    },
    { attempts: 2, idleTimeout: 500 },
  )
  await assert.rejects(silent.client.read(file, range), code('TIMEOUT'))
  assert.equal(silent.count(), 2)

  const trickling = await hostile(
    t,
    async (response) => {
      head(response, `0-999/${SIZE}`)
      for (let at = 0; !response.destroyed; at++) {
        response.write(object.body.subarray(at, at + 1))
        await delay(50)
      }
    },
    // 0.1 s, and 1 ms for each byte, for what would take 50 s.
    { budget: 100, idleTimeout: 20_000 },
  )
  await assert.rejects(trickling.client.read(file, range), code('TIMEOUT'))
  assert.equal(trickling.count(), 1)

  const unended = await hostile(
    t,
    (response) => void head(response, `0-999/${SIZE}`).write(object.body.subarray(0, 1000)),
  )
  const { data } = await unended.client.read(file, range)
  assert.ok(object.body.subarray(0, 1000).equals(data), 'all bytes came, and the end of the chunks is not waited for')
})

test('the size of a small object, such as the writer record, is limited', async (t) => {
  const store = await loopbackS3(t)
  const client = await s3ClientAt(store.url(), {})
  cleanUp(t, () => client.close())
  store.objects.set('app/lock.json', { body: Buffer.alloc(1 << 20) })
  await assert.rejects(client.getObject('lock.json'), code('STORAGE_FAILED'))
  store.objects.set('app/lock.json', { body: Buffer.alloc(0) })
  assert.equal((await client.getObject('lock.json'))?.data.byteLength, 0)
  assert.equal(await client.getObject('none.json'), undefined)
})
