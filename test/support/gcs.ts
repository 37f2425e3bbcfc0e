import { randomUUID } from 'node:crypto'
import type { TestContext } from 'node:test'

// A test file that imports this one, directly or not, makes `npm test` start fake-gcs-server (or
// take TEST_GCS_ENDPOINT).

/**
 * The reason why fake-gcs-server is not available on this machine, or undefined if it is available.
 * undefined where there is one.
 */
export const gcsMissing: string | undefined = process.env.TEST_GCS_MISSING

/** Address of fake-gcs-server, in the form that STORAGE_EMULATOR_HOST takes. */
export function gcsEndpoint(): string {
  const endpoint = process.env.TEST_GCS_ENDPOINT
  if (endpoint === undefined) {
    throw new Error('TEST_GCS_ENDPOINT is not set: run the tests with `npm test`, which starts fake-gcs-server')
  }
  return endpoint
}

/** Makes the clients of this process use the emulator, without credentials, until the test ends. */
export function useEmulator(t: Pick<TestContext, 'after'>, endpoint = gcsEndpoint()): void {
  const before = process.env.STORAGE_EMULATOR_HOST
  process.env.STORAGE_EMULATOR_HOST = endpoint
  t.after(() => {
    if (before === undefined) delete process.env.STORAGE_EMULATOR_HOST
    else process.env.STORAGE_EMULATOR_HOST = before
  })
}

/** A new bucket. The emulator keeps it in memory until the run ends. */
export async function newBucket(endpoint = gcsEndpoint()): Promise<string> {
  const name = `test-${randomUUID()}`
  const { ok, status } = await fetch(`${endpoint}/storage/v1/b?project=test`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name }),
  })
  if (!ok) throw new Error(`making the bucket ${name}: HTTP ${status}`)
  return name
}
