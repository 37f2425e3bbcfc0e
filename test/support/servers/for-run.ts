import { startNats } from './nats.js'
import { startRgw } from './rgw.js'

export interface RunServers {
  /** What the test files find in their environment. */
  readonly env: Readonly<Record<string, string>>
  stop(): Promise<void>
}

/** The servers that all test files of one run share, of those kinds that are needed and that no TEST_… variable names already. */
export async function startRunServers(needed: { readonly s3: boolean; readonly nats: boolean }): Promise<RunServers> {
  const env: Record<string, string> = {}
  const stops: (() => Promise<void>)[] = []
  const stop = async () => {
    for (const stopOne of stops.reverse()) await stopOne()
  }
  try {
    if (needed.s3 && process.env.TEST_S3_ENDPOINT === undefined) {
      const rgw = await startRgw()
      stops.push(rgw.stop)
      env.TEST_S3_ENDPOINT = rgw.endpoint
      env.TEST_S3_ACCESS_KEY = rgw.accessKeyId
      env.TEST_S3_SECRET_KEY = rgw.secretAccessKey
    }
    if (needed.nats && process.env.TEST_NATS_URL === undefined) {
      const nats = await startNats()
      stops.push(nats.stop)
      env.TEST_NATS_URL = nats.url
    }
  } catch (error) {
    await stop()
    throw error
  }
  return { env, stop }
}
