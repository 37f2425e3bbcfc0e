import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileOfTool } from '../tool.js'
import { until } from '../until.js'
import { freePort } from './free-port.js'
import { ServerProcess } from './server-process.js'

export interface AzuriteServer {
  /** With the account in its path. */
  readonly endpoint: string
  /** Ends Azurite, which keeps all data in memory. */
  stop(): Promise<void>
}

/** The account that Azurite has. */
export const AZURITE_ACCOUNT = 'devstoreaccount1'

/** Milliseconds: it loads some 10,000 files, which takes long on a busy machine. */
const START_TIMEOUT = 120_000

/**
 * Azurite, Microsoft's emulator of Azure Blob Storage, on 127.0.0.1 and a free port. npm fetches it
 * once; it is no dependency.
 */
export async function startAzurite(): Promise<AzuriteServer> {
  const program = fileOfTool('azurite', '3.35.0', 'dist/src/blob/main.js')
  const directory = mkdtempSync(path.join(tmpdir(), 'litestream-azurite-'))
  const log = path.join(directory, 'azurite.log')
  writeFileSync(log, '')
  const port = await freePort()
  const place = ['--blobHost', '127.0.0.1', '--blobPort', String(port), '--inMemoryPersistence']
  // Without the first flag it refuses every request of a client library that is newer than itself.
  const flags = ['--skipApiVersionCheck', '--disableTelemetry', '--silent']
  const server = new ServerProcess(process.execPath, [program, ...place, ...flags], log, {
    ...process.env,
    NODE_OPTIONS: '',
  })
  const stop = async () => {
    await server.stop()
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    const isReady = () => {
      server.assertRunning()
      return readFileSync(log, 'utf8').includes('successfully listens')
    }
    await until('Azurite is ready', isReady, START_TIMEOUT)
  } catch (error) {
    await stop()
    throw error
  }
  return { endpoint: `http://127.0.0.1:${port}/${AZURITE_ACCOUNT}`, stop }
}
