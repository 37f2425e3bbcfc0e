import { randomUUID } from 'node:crypto'

// A test file that imports this one, directly or not, makes `npm test` start a NATS server (or take
// TEST_NATS_URL).

/** The NATS server of this run, `nats://host:port`, perhaps with a user. */
export function natsServerUrl(): string {
  const url = process.env.TEST_NATS_URL
  if (url === undefined)
    throw new Error('TEST_NATS_URL is not set: run the tests with `npm test`, which starts a NATS server')
  return url.replace(/\/$/, '')
}

/** The replica URL of a bucket of the test's own, made by the first client that opens it. */
export function natsUrl(prefix = '', bucket = `test-${randomUUID()}`): string {
  return `${natsServerUrl()}/${bucket}${prefix === '' ? '' : `/${prefix}`}?createBucket=true`
}
