import { startAzurite } from './azurite.js'
import { startFakeGcs } from './fake-gcs.js'
import { startNats } from './nats.js'
import { startRgw } from './rgw.js'

export interface RunServers {
  /** The variables that the test files find in their environment. */
  readonly env: Readonly<Record<string, string>>
  stop(): Promise<void>
}

/** The kinds of servers that the selected test files need. */
export interface NeededServers {
  readonly s3: boolean
  readonly nats: boolean
  readonly azure?: boolean
  readonly gcs?: boolean
}

/**
 * The servers that all test files of one run share, of those kinds that are needed and that no
 * TEST_… variable names already. The emulators of Azure and Google are not to be had everywhere: a
 * variable TEST_…_MISSING tells the test files why.
 */
export async function startRunServers(needed: NeededServers): Promise<RunServers> {
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
    for (const [name, isNeeded, start] of EMULATORS) {
      if (!isNeeded(needed) || process.env[`TEST_${name}_ENDPOINT`] !== undefined) continue
      try {
        const emulator = await start()
        stops.push(emulator.stop)
        env[`TEST_${name}_ENDPOINT`] = emulator.endpoint
      } catch (error) {
        const said = String((error as { stderr?: Buffer }).stderr ?? '').trim() || String(error)
        env[`TEST_${name}_MISSING`] = said.split('\n', 1)[0] as string
      }
    }
  } catch (error) {
    await stop()
    throw error
  }
  return { env, stop }
}

interface Emulator {
  readonly endpoint: string
  stop(): Promise<void>
}

const EMULATORS: readonly (readonly [
  string,
  (needed: NeededServers) => boolean | undefined,
  () => Promise<Emulator>,
])[] = [
  ['AZURE', ({ azure }) => azure, startAzurite],
  ['GCS', ({ gcs }) => gcs, startFakeGcs],
]
