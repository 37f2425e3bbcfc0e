import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { after } from 'node:test'
import { openReplicaClient } from '../../../src/storage/open.js'
import { startSshd } from '../../support/servers/sshd.js'
import { sftpSettings, sftpUrl } from '../../support/sftp.js'
import { fillLevel } from './bytes.js'
import { conformance } from './suite.js'

const server = await startSshd()
after(() => server.stop())

conformance({
  name: 'sftp',
  crowd: 10_000,
  timePrecision: 1000,
  makePlace: async () => {
    const root = path.join(server.directory, randomUUID())
    return {
      open: (name) => openReplicaClient(sftpUrl(server, path.join(root, name)), { sftp: sftpSettings(server) }),
      fill: (name, count) => fillLevel(path.join(root, name), count),
    }
  },
})
