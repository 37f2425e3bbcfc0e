import { randomUUID } from 'node:crypto'
import { openReplicaClient } from '../../../src/storage/open.js'
import { natsUrl } from '../../support/nats.js'
import { conformance } from './suite.js'

conformance({
  name: 'nats',
  crowd: 10_000,
  makePlace: async () => {
    const bucket = `test-${randomUUID()}`
    return { open: (path) => openReplicaClient(natsUrl(path.split('/').map(encodeURIComponent).join('/'), bucket)) }
  },
})
