import assert from 'node:assert/strict'
import path from 'node:path'
import { after, test } from 'node:test'
import { openReplicaClient } from '../../src/storage/open.js'
import { file, testBytes } from '../conformance/replica-client/bytes.js'
import { natsUrl } from '../support/nats.js'
import { freePort } from '../support/servers/free-port.js'
import { startSshd } from '../support/servers/sshd.js'
import { wholeSftpUrl } from '../support/sftp.js'

const server = await startSshd()
after(() => server.stop())

// As in Litestream: nats.go and golang.org/x/crypto/ssh connect directly.
for (const [name, url] of [
  ['nats', natsUrl()],
  ['sftp', wholeSftpUrl(server, path.join(server.directory, 'app.db'))],
] as const) {
  test(`${name}: the client connects directly to the server, whatever proxy the environment names`, async (t) => {
    const proxy = `http://127.0.0.1:${await freePort()}`
    for (const variable of ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY']) {
      process.env[variable] = proxy
      t.after(() => {
        delete process.env[variable]
      })
    }
    const client = await openReplicaClient(url)
    t.after(() => client.close())
    await client.write(file(1), testBytes(5000), { timestamp: 1 })
    assert.equal((await client.stat(file(1))).size, 5000)
  })
}
