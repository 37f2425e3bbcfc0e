import { test } from 'node:test'
import { openReplicaClient } from '../../../src/storage/open.js'
import { azureMissing, azureUrl, newContainer } from '../../support/azure.js'
import { notRun } from '../../support/not-run.js'
import { conformance } from './suite.js'

if (azureMissing !== undefined)
  test('abs: the client passes the conformance suite', (t) => notRun(t, 'Azurite', azureMissing!))
else {
  conformance({
    name: 'abs',
    // Azurite writes some 30 a second on a busy machine; test/storage/abs has the test of several
    // pages.
    crowd: 200,
    makePlace: async (t) => {
      const container = await newContainer(t)
      return {
        open: (path) => openReplicaClient(azureUrl(container, path.split('/').map(encodeURIComponent).join('/'))),
      }
    },
  })
}
