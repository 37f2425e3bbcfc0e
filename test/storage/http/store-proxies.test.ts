import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { openReplicaClient } from '../../../src/storage/open.js'
import { file, testBytes } from '../../conformance/replica-client/bytes.js'
import { azureMissing, azureUrl, newContainer } from '../../support/azure.js'
import { cleanUp } from '../../support/clean-up.js'
import { loopbackGcs } from '../../support/loopback-gcs.js'
import { notRun } from '../../support/not-run.js'

/**
 * A proxy on 127.0.0.1 for plain requests and tunnels; HTTP_PROXY names it until the test ends.
 * Returns what it was asked for.
 */
async function useProxy(t: TestContext): Promise<string[]> {
  const seen: string[] = []
  const server = createServer((req, res) => {
    seen.push(new URL(req.url!).host)
    const sent = httpRequest(req.url!, { method: req.method, headers: req.headers }, (reply) => {
      res.writeHead(reply.statusCode!, reply.headers)
      reply.pipe(res)
    })
    req.pipe(sent)
  })
  server.on('connect', ({ url }, socket) => {
    seen.push(url!)
    const [host, port] = url!.split(':')
    const to = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      to.pipe(socket).pipe(to)
    })
    for (const each of [to, socket]) each.on('error', () => each.destroy())
    cleanUp(t, () => to.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanUp(t, () => {
    server.closeAllConnections()
    server.close()
  })
  process.env.HTTP_PROXY = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  t.after(() => {
    delete process.env.HTTP_PROXY
  })
  return seen
}

/** Writes and reads a file. */
async function use(t: TestContext, url: string): Promise<void> {
  const client = await openReplicaClient(url)
  cleanUp(t, () => client.close())
  await client.write(file(1), testBytes(5000), { timestamp: 1 })
  assert.equal((await client.read(file(1), { offset: 0, length: 5000 })).fileSize, 5000)
}

test('gs: the client sends its requests through the proxy in HTTP_PROXY', async (t) => {
  const store = await loopbackGcs(t)
  process.env.STORAGE_EMULATOR_HOST = store.endpoint
  t.after(() => {
    delete process.env.STORAGE_EMULATOR_HOST
  })
  const seen = await useProxy(t)
  await use(t, 'gs://bucket-1/app.db')
  assert.deepEqual([...new Set(seen)], [new URL(store.endpoint).host])
})

test('abs: the client sends its requests through the proxy in HTTP_PROXY', async (t) => {
  if (azureMissing !== undefined) return notRun(t, 'Azurite', azureMissing)
  const url = azureUrl(await newContainer(t))
  const seen = await useProxy(t)
  await use(t, url)
  assert.deepEqual([...new Set(seen)], [new URL(decodeURIComponent(url.split('endpoint=')[1]!)).host])
})
