import { test } from 'node:test'
import { openReplicaClient } from '../../../src/storage/open.js'
import { gcsMissing, newBucket, useEmulator } from '../../support/gcs.js'
import { notRun } from '../../support/not-run.js'
import { conformance } from './suite.js'

if (gcsMissing !== undefined)
  test('gs: the client passes the conformance suite', (t) => notRun(t, 'fake-gcs-server', gcsMissing!))
else {
  conformance({
    name: 'gs',
    crowd: 1_200,
    // test/storage/gs has the test of it, with a stricter store.
    ignoresVersionOfDelete: true,
    makePlace: async (t) => {
      useEmulator(t)
      const bucket = await newBucket()
      return {
        open: (path) => openReplicaClient(`gs://${bucket}/${path.split('/').map(encodeURIComponent).join('/')}`),
      }
    },
  })
}
