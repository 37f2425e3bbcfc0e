import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { openReplicaClient } from '../../../src/storage/open.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { fillLevel } from './bytes.js'
import { conformance } from './suite.js'

conformance({
  name: 'file',
  crowd: 10_000,
  makePlace: async (t) => {
    const root = temporaryDirectory(t)
    return {
      open: (name) => openReplicaClient(pathToFileURL(path.join(root, name)).href),
      // Each write of a client is synced to the disk.
      fill: (name, count) => fillLevel(path.join(root, name), count),
    }
  },
})
