import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { fileUrl } from '../../../src/storage/file/location.js'
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
      open: (name) => {
        // Without its folder, one that another reading of the URL names would be taken for the one
        // that is meant.
        mkdirSync(path.join(root, name), { recursive: true })
        return openReplicaClient(fileUrl(path.join(root, name)))
      },
      // Each write of a client is synced to the disk.
      fill: (name, count) => fillLevel(path.join(root, name), count),
    }
  },
})
