import { test } from 'node:test'
import { AZURE_ACCOUNT, AZURE_KEY, azureEndpoint, azureMissing, azureUrl, newContainer } from '../support/azure.js'
import { gcsMissing, newBucket, useEmulator } from '../support/gcs.js'
import { notRun } from '../support/not-run.js'
import { released } from '../support/released.js'
import { bothWays } from '../support/released-round-trip.js'

test('abs: Litestream 0.5.17 and litestream-ts each restore the replica that the other program wrote', async (t) => {
  if (azureMissing !== undefined) return notRun(t, 'Azurite', azureMissing)
  const official = released(t, '0.5.17')
  if (!official) return
  const container = await newContainer(t)
  await bothWays(t, official, (name) => ({
    url: azureUrl(container, `of/${name}`),
    yaml: [
      'type: abs',
      `account-name: ${AZURE_ACCOUNT}`,
      `account-key: ${AZURE_KEY}`,
      `endpoint: ${azureEndpoint()}`,
      `bucket: ${container}`,
      `path: of/${name}`,
    ],
  }))
})

test('gs: Litestream 0.5.17 and litestream-ts each restore the replica that the other program wrote', async (t) => {
  if (gcsMissing !== undefined) return notRun(t, 'fake-gcs-server', gcsMissing)
  const official = released(t, '0.5.17')
  if (!official) return
  useEmulator(t)
  const bucket = await newBucket()
  await bothWays(t, official, (name) => ({
    url: `gs://${bucket}/of/${name}`,
    yaml: [`url: gs://${bucket}/of/${name}`],
  }))
})
