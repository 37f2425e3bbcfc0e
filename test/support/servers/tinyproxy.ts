import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { until } from '../until.js'
import { freePort } from './free-port.js'
import { ensureInstalled } from './packages.js'
import { ServerProcess } from './server-process.js'

export interface ProxyDaemon {
  /** `127.0.0.1:<port>` */
  readonly host: string
  /**
   * The first lines of the requests that the proxy received, such as "GET http://…" and "CONNECT
   * host:443".
   */
  requests(): string[]
  stop(): Promise<void>
}

/** A tinyproxy on 127.0.0.1 and a free port; `config` is appended to its configuration file. */
export async function startTinyproxy(config = ''): Promise<ProxyDaemon> {
  ensureInstalled(['tinyproxy'], 'put tinyproxy into the PATH')
  const directory = mkdtempSync(path.join(tmpdir(), 'litestream-proxy-'))
  const port = await freePort()
  const file = path.join(directory, 'tinyproxy.conf')
  const log = path.join(directory, 'tinyproxy.log')
  writeFileSync(file, `Port ${port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 100\nLogLevel Info\n${config}\n`)
  writeFileSync(log, '')
  const server = new ServerProcess('tinyproxy', ['-d', '-c', file], log)
  const text = () => readFileSync(log, 'utf8')
  const stop = async () => {
    await server.stop()
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    await until('tinyproxy is ready', () => {
      server.assertRunning()
      return /Accepting connections/i.test(text())
    })
  } catch (error) {
    await stop()
    throw error
  }
  return {
    host: `127.0.0.1:${port}`,
    requests: () => [...text().matchAll(/Request \(file descriptor \d+\): (.*)/g)].map(([, line]) => line!),
    stop,
  }
}
