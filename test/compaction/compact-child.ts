// Compacts, snapshots and cleans up the replica at a URL (first argument) continuously, as if days
// went by, until it is killed.
import { compact } from '../../src/compaction/compact.js'
import { enforceL0Retention, enforceSnapshotRetention } from '../../src/compaction/retention.js'
import { createSnapshot } from '../../src/compaction/snapshot.js'
import { openReplicaClient } from '../../src/storage/open.js'

const client = await openReplicaClient(process.argv[2]!)
const now = Date.now() + 1e12
console.log('begun')
for (;;) {
  for (const level of [1, 2, 3]) await compact(client, { level })
  await enforceL0Retention(client, { l0Retention: 1, now })
  await createSnapshot(client)
  await enforceSnapshotRetention(client, { retention: 1, now })
}
