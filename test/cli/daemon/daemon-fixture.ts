import { writeFileSync } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'
import Database from 'better-sqlite3'
import { cleanUp } from '../../support/clean-up.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'
import { type Running, start } from '../run.js'

/**
 * A running daemon that replicates one database, with its HTTP server on a free port and a control
 * socket.
 */
export interface DaemonFixture {
  readonly dir: string
  readonly file: string
  readonly db: Database.Database
  readonly url: string
  readonly socket: string
  readonly config: string
  readonly daemon: Running
  /** `http://127.0.0.1:port` */
  readonly http: string
  stop(): Promise<number | null>
}

export async function startDaemon(t: TestContext, more = ''): Promise<DaemonFixture> {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  const url = `file://${dir}/replica`
  const socket = path.join(dir, 'control.sock')
  const config = path.join(dir, 'litestream.yml')
  const db = new Database(file)
  t.after(() => db.close())
  db.pragma('journal_mode = wal')
  db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t (v) VALUES ('a'), ('b')")
  writeFileSync(
    config,
    `addr: 127.0.0.1:0
socket: { enabled: true, path: ${socket} }
levels: [{ interval: 1s }]
${more}
dbs: [{ path: ${file}, monitor-interval: 20ms, replica: { url: "${url}", sync-interval: 20ms } }]
`,
  )
  const daemon = start(['replicate', '-config', config])
  cleanUp(t, () => daemon.child.kill('SIGKILL'))
  const http = await until('it listens', () => /addr=(http:\S+)/.exec(daemon.stderr())?.[1])
  await until('it listens for control', () => daemon.stderr().includes('control socket listening'))
  await until('the first sync', () => daemon.stderr().includes('ltx file uploaded'))
  const stop = async () => {
    daemon.child.kill('SIGTERM')
    return (await daemon.finished).status
  }
  return { dir, file, db, url, socket, config, daemon, http, stop }
}
