import { after, test } from 'node:test'
import { released } from '../support/released.js'
import { bothWays } from '../support/released-round-trip.js'
import { startSshd } from '../support/servers/sshd.js'
import { wholeSftpUrl } from '../support/sftp.js'

const server = await startSshd()
after(() => server.stop())

test('sftp: Litestream 0.5.17 and litestream-ts each restore the replica that the other program wrote', async (t) => {
  const official = released(t, '0.5.17')
  if (!official) return
  await bothWays(t, official, (name) => ({
    url: wholeSftpUrl(server, `${server.directory}/${name}`),
    yaml: [
      'type: sftp',
      `host: 127.0.0.1:${server.port}`,
      `user: ${server.user}`,
      `key-path: ${server.keyPath}`,
      `host-key: ${server.hostKey}`,
      `path: ${server.directory}/${name}`,
    ],
  }))
})
