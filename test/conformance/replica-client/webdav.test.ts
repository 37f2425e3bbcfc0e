import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { after } from 'node:test'
import { openReplicaClient } from '../../../src/storage/open.js'
import { startApache } from '../../support/servers/apache.js'
import { fillLevel } from './bytes.js'
import { conformance } from './suite.js'

const server = await startApache()
after(() => server.stop())

conformance({
  name: 'webdav',
  crowd: 2_000,
  files: 90,
  timePrecision: Number.POSITIVE_INFINITY,
  makePlace: async () => {
    const folder = randomUUID()
    const url = (name: string) =>
      `webdav://127.0.0.1:${server.port}/dav/${folder}/${name.split('/').map(encodeURIComponent).join('/')}`
    return {
      open: (name) => openReplicaClient(url(name)),
      fill: (name, count) => fillLevel(path.join(server.data, folder, name), count),
    }
  },
})
