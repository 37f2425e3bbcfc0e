import { after, test } from 'node:test'
import { released } from '../support/released.js'
import { bothWays } from '../support/released-round-trip.js'
import { startApache } from '../support/servers/apache.js'
import { webdavUrl } from '../support/webdav.js'

const server = await startApache()
after(() => server.stop())

test('webdav: Litestream 0.5.17 and litestream-ts each restore the replica that the other program wrote', async (t) => {
  const official = released(t, '0.5.17')
  if (!official) return
  await bothWays(t, official, (name) => ({
    url: webdavUrl(server, name, 'basic'),
    yaml: [
      'type: webdav',
      `webdav-url: ${server.origin}/basic`,
      `webdav-username: ${JSON.stringify(server.user)}`,
      `webdav-password: ${JSON.stringify(server.password)}`,
      `path: /${name}`,
    ],
  }))
})
