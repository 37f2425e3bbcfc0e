import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { formatFileName } from '../../../src/ltx/file-name.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { testBytes } from './bytes.js'
import { conformance } from './suite.js'

conformance({
  name: 'file',
  crowd: 10_000,
  makePlace: async (t) => {
    const root = temporaryDirectory(t)
    return {
      open: (name) => openReplicaClient(pathToFileURL(path.join(root, name)).href),
      // Each write of a client is synced to the disk.
      fill: (name, count) => {
        const level = path.join(root, name, 'ltx/0')
        mkdirSync(level, { recursive: true })
        for (let txid = 1; txid <= count; txid++)
          writeFileSync(path.join(level, formatFileName(txid, txid)), testBytes(64))
      },
    }
  },
})
