import { randomUUID } from 'node:crypto'
import type { TestContext } from 'node:test'
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob'
import { AZURITE_ACCOUNT } from './servers/azurite.js'

// A test file that imports this one, directly or not, makes `npm test` start Azurite (or take
// TEST_AZURE_ENDPOINT).

/** The publicly known key of Azurite's account. */
export const AZURE_KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='

export const AZURE_ACCOUNT = AZURITE_ACCOUNT

/**
 * The reason why Azurite is not available on this machine, or undefined if it is available.
 * undefined where there is one.
 */
export const azureMissing: string | undefined = process.env.TEST_AZURE_MISSING

/** Address of Azurite, with the account in the path. */
export function azureEndpoint(): string {
  const endpoint = process.env.TEST_AZURE_ENDPOINT
  if (endpoint === undefined) {
    throw new Error('TEST_AZURE_ENDPOINT is not set: run the tests with `npm test`, which starts Azurite')
  }
  return endpoint
}

/** A plain client of a container, with which tests inspect blobs without the code under test. */
export function azureContainer(container: string): ContainerClient {
  const credential = new StorageSharedKeyCredential(AZURE_ACCOUNT, AZURE_KEY)
  return new ContainerClient(`${azureEndpoint()}/${container}`, credential)
}

/** A new container, removed when the test ends. */
export async function newContainer(t: Pick<TestContext, 'after'>): Promise<string> {
  const name = `test-${randomUUID()}`
  await azureContainer(name).create()
  t.after(() => azureContainer(name).delete())
  return name
}

/** The replica URL for a path in a container, with key and endpoint. */
export function azureUrl(container: string, path = 'app.db', endpoint = azureEndpoint()): string {
  const user = `${AZURE_ACCOUNT}:${encodeURIComponent(AZURE_KEY)}`
  return `abs://${user}@${container}/${path}?endpoint=${encodeURIComponent(endpoint)}`
}
