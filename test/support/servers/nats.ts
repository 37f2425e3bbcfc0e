import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { until } from '../until.js'
import { freePort } from './free-port.js'
import { ensureInstalled } from './packages.js'
import { ServerProcess } from './server-process.js'

export interface NatsServer {
  /** `nats://127.0.0.1:<port>` */
  readonly url: string
  /** Kills the server at any moment, and keeps its data. */
  kill(): Promise<void>
  /** Starts the server again on the same port. */
  start(): Promise<void>
  /** Ends the server and removes its data. */
  stop(): Promise<void>
}

/**
 * A nats-server with JetStream on 127.0.0.1 and a free port; `config` is appended to its
 * configuration file.
 */
export async function startNats(config = ''): Promise<NatsServer> {
  ensureInstalled(['nats-server'], 'start one with JetStream and set TEST_NATS_URL')
  const directory = mkdtempSync(path.join(tmpdir(), 'litestream-nats-'))
  const port = await freePort()
  const file = path.join(directory, 'nats.conf')
  const log = path.join(directory, 'nats.log')
  writeFileSync(file, `host: 127.0.0.1\nport: ${port}\njetstream { store_dir: "${directory}/data" }\n${config}\n`)

  let server: ServerProcess | undefined
  const start = async () => {
    writeFileSync(log, '')
    const starting = new ServerProcess('nats-server', ['-c', file], log)
    server = starting
    await until('nats-server is ready', () => {
      starting.assertRunning()
      return readFileSync(log, 'utf8').includes('Server is ready')
    })
  }
  const stop = async () => {
    await server?.stop()
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    await start()
  } catch (error) {
    await stop()
    throw error
  }
  return { url: `nats://127.0.0.1:${port}`, start, stop, kill: async () => server?.stop() }
}
