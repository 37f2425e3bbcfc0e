import { listings } from './listings.js'
import type { Backend } from './place.js'
import { raceTests } from './races.js'
import { readsAndWrites } from './reads-and-writes.js'
import { requestTable } from './request-table.js'
import { taggedObjects } from './tagged-objects.js'
import { watches } from './watches.js'

/** Everything the product expects of a ReplicaClient, as tests that run against a real store. */
export function conformance(backend: Backend): void {
  readsAndWrites(backend)
  listings(backend)
  raceTests(backend)
  taggedObjects(backend)
  watches(backend)
  requestTable(backend)
}
