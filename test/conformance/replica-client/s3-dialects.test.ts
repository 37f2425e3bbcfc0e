import { openReplicaClient } from '../../../src/storage/open.js'
import { DIALECT_KEYS, DIALECTS, dialectUrl, serveDialect } from '../../support/s3-dialects.js'
import { listings } from './listings.js'
import type { Backend } from './place.js'
import { raceTests } from './races.js'
import { readsAndWrites } from './reads-and-writes.js'
import { taggedObjects } from './tagged-objects.js'

// The suite without its table of requests, which storage.md has for a store with all conditions. A
// dialect without a condition says so (`guarantees`), and the suite expects no more of it. Four
// dialects differ in what the suite tests; LITESTREAM_DIALECTS=all runs it on every one.
const DISTINCT: readonly string[] = ['b2', 'minio', 'google', 'oss']
const all = process.env.LITESTREAM_DIALECTS === 'all'

for (const [name, dialect] of Object.entries(DIALECTS).filter(([name]) => all || DISTINCT.includes(name))) {
  const backend: Backend = {
    name: `s3 of ${name}`,
    crowd: 30,
    files: 44,
    rounds: 2,
    large: 6,
    makePlace: async (t) => {
      await serveDialect(t, dialect)
      return { open: (path) => openReplicaClient(dialectUrl(dialect, path), { s3: DIALECT_KEYS }) }
    },
  }
  readsAndWrites(backend)
  listings(backend)
  raceTests(backend)
  taggedObjects(backend)
}
