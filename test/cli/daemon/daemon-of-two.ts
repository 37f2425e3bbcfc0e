import { chownSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'
import Database from 'better-sqlite3'
import type { Health, StatusDocument } from '../../../src/status/document.js'
import { cleanUp } from '../../support/clean-up.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'
import { ordinaryUser, type Running, run, start } from '../run.js'

/** Makes a database with one row in table `t`, in a folder that is made if needed. */
export function createDatabase(file: string, mode: 'wal' | 'delete' = 'wal'): void {
  mkdirSync(path.dirname(file), { recursive: true })
  const db = new Database(file)
  db.pragma(`journal_mode = ${mode}`)
  db.exec("CREATE TABLE t (v); INSERT INTO t VALUES ('first')")
  db.close()
}

/** Adds a row through a separate connection. */
export function insertRow(file: string): void {
  const db = new Database(file)
  db.exec("INSERT INTO t VALUES ('more')")
  db.close()
}

/** Gives a folder and its contents to the ordinary user, if this process is allowed to. */
export function giveAway(folder: string): void {
  const { uid, gid } = ordinaryUser
  if (uid === undefined || gid === undefined) return
  chownSync(folder, uid, gid)
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
    chownSync(path.join(folder, name), uid, gid)
}

export interface Fixture {
  readonly dir: string
  /** The healthy database, and its replica. */
  readonly good: string
  readonly replica: string
  /**
   * Writes litestream.yml: `more` before `dbs`, `entries` after the entry of `good`. Returns its
   * path.
   */
  config(entries: readonly string[], more?: string): string
}

/** A folder with one healthy database. */
export function fixture(t: TestContext): Fixture {
  const dir = temporaryDirectory(t)
  const good = path.join(dir, 'good/good.db')
  createDatabase(good)
  const config = (entries: readonly string[], more = '') => {
    const file = path.join(dir, 'litestream.yml')
    const own = `  - { path: ${good}, monitor-interval: 20ms, replica: { path: ${dir}/replica, sync-interval: 20ms } }`
    writeFileSync(file, `${more}\ndbs:\n${[own, ...entries.map((entry) => `  - ${entry}`)].join('\n')}\n`)
    return file
  }
  return { dir, good, replica: `file://${dir}/replica`, config }
}

export interface Daemon extends Running {
  /** `http://127.0.0.1:port`; the configuration must have an `addr`. */
  http(): Promise<string>
  health(query?: string): Promise<{ readonly status: number; readonly body: Health }>
  status(): Promise<StatusDocument>
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

/** Starts `replicate` with a configuration. */
export function startDaemonWith(t: TestContext, config: string, options: Parameters<typeof start>[1] = {}): Daemon {
  const running = start(['replicate', '-config', config], options)
  cleanUp(t, async () => {
    running.child.kill('SIGKILL')
    await running.finished
  })
  const http = () => until('it listens', () => /addr=(http:\S+)/.exec(running.stderr())?.[1])
  const get = async (route: string) => fetch(`${await http()}${route}`)
  return {
    ...running,
    http,
    async health(query = '') {
      const response = await get(`/healthz${query}`)
      return { status: response.status, body: (await response.json()) as Health }
    },
    async status() {
      return (await (await get('/status.json')).json()) as StatusDocument
    },
    async stop(signal = 'SIGTERM') {
      running.child.kill(signal)
      return (await running.finished).status
    },
  }
}

/** The rows of `t` in a fresh restore of a replica, or the error. */
export async function rowsOf(t: TestContext, url: string): Promise<number | string> {
  const output = path.join(temporaryDirectory(t), 'restored.db')
  const { status, stderr } = await run(['restore', '-o', output, url])
  if (status !== 0) return stderr
  const db = new Database(output, { readonly: true })
  try {
    return db.prepare('SELECT count(*) FROM t').pluck().get() as number
  } finally {
    db.close()
  }
}
