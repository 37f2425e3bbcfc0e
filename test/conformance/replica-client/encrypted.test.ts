import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { fileUrl } from '../../../src/storage/file/location.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { ageKey } from '../../support/age.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { listings } from './listings.js'
import type { Backend } from './place.js'
import { raceTests } from './races.js'
import { readsAndWrites } from './reads-and-writes.js'
import { taggedObjects } from './tagged-objects.js'

// The store below is tested by its own file; the number of its requests is the same.
const backend: Backend = {
  name: 'encrypted file',
  crowd: 300,
  makePlace: async (t) => {
    const root = temporaryDirectory(t)
    const { identity } = ageKey(t)
    return {
      open: (name) => {
        mkdirSync(path.join(root, name), { recursive: true })
        return openReplicaClient(fileUrl(path.join(root, name)), { encryption: { identities: identity } })
      },
    }
  },
}
readsAndWrites(backend)
listings(backend)
raceTests(backend)
taggedObjects(backend)
