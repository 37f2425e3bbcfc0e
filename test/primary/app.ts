import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import Database from 'better-sqlite3'
import { cleanUp } from '../support/clean-up.js'
import type { AppSettings } from './app-writer.js'

export const APP_DEFAULTS: AppSettings = { pageSize: 4096, autoCheckpoint: -1, pause: 0, commits: 0, rough: false }

/** The application of app-writer.ts in a separate process. */
export class App {
  readonly file: string
  readonly acknowledged: string
  #child: ChildProcess | undefined

  constructor(t: TestContext, file: string) {
    cleanUp(t, () => this.stop('SIGKILL'))
    this.file = file
    this.acknowledged = `${file}.acknowledged`
  }

  start(settings: Partial<AppSettings> = {}): void {
    const script = new URL('./app-writer.js', import.meta.url).pathname
    const argument = JSON.stringify({ ...APP_DEFAULTS, ...settings })
    this.#child = spawn(process.execPath, [script, this.file, this.acknowledged, argument], { stdio: ['ignore', 2, 2] })
  }

  /** Runs it for a number of commits and waits for its end. */
  async run(commits: number, settings: Partial<AppSettings> = {}): Promise<void> {
    this.start({ ...settings, commits })
    const [code, signal] = await once(this.#child!, 'exit')
    assert.deepEqual([code, signal], [0, null])
    this.#child = undefined
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }

  /** The number of the last commit that SQLite has acknowledged. */
  get last(): number {
    if (!existsSync(this.acknowledged)) return 0
    const lines = readFileSync(this.acknowledged, 'utf8').split('\n')
    return Number(lines.at(-2) ?? 0)
  }
}

/**
 * Asserts that a database is one of the states that the application committed, and returns the
 * number of the commit.
 */
export function assertAppState(file: string): number {
  const db = new Database(file, { readonly: true })
  try {
    assert.equal(db.pragma('integrity_check', { simple: true }), 'ok')
    const hasState = db.prepare("SELECT count(*) FROM sqlite_schema WHERE name IN ('state', 'keys')").pluck().get()
    if (hasState !== 2) return 0
    const { n = 0, total = 0 } = (db.prepare('SELECT n, total FROM state').get() ?? {}) as {
      n?: number
      total?: number
    }
    const sum = db.prepare('SELECT coalesce(sum(n * (k + 1)), 0) FROM keys').pluck().get()
    assert.equal(sum, total, `the rows are not those of commit ${n}`)
    const newest = db.prepare('SELECT coalesce(max(n), 0) FROM keys').pluck().get() as number
    assert.ok(newest <= n)
    return n
  } finally {
    db.close()
  }
}
