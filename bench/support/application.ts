import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import Database from 'better-sqlite3'
import { type Replication, replicate } from '../../src/index.js'
import { smallTransaction } from './live-primary.js'

/** An application that writes as fast as possible for a while, with or without replication. */
export class ApplicationRun {
  readonly #db: Database.Database
  readonly #directory: string
  readonly #url: string | undefined
  readonly #litestream: string | undefined

  constructor(
    file: string,
    directory: string,
    url: string | undefined,
    options: { litestream?: string; checkpoints?: boolean } = {},
  ) {
    const copy = path.join(directory, 'app.db')
    copyFileSync(file, copy)
    this.#directory = directory
    this.#url = url
    this.#litestream = options.litestream
    this.#db = new Database(copy)
    this.#db.pragma('journal_mode = wal')
    this.#db.pragma('synchronous = normal')
    if (options.checkpoints === false) this.#db.pragma('wal_autocheckpoint = 0')
  }

  /** `duration` in milliseconds. The database is replicated whole before the writing begins. */
  async writesPerSecond(duration: number): Promise<number> {
    const stop = await this.#startReplication()
    const write = smallTransaction(this.#db)
    for (let i = 0; i < 100; i++) write()
    let writes = 0
    const start = performance.now()
    while (performance.now() - start < duration) {
      write()
      // An application does other work between its writes, and so does its event loop.
      if (++writes % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    const seconds = (performance.now() - start) / 1000
    await stop()
    this.#db.close()
    rmSync(this.#directory, { recursive: true, force: true })
    return writes / seconds
  }

  async #startReplication(): Promise<() => Promise<void>> {
    if (this.#url === undefined) return async () => undefined
    if (this.#litestream !== undefined) return this.#startLitestream(this.#litestream, this.#url)
    const replication: Replication = await replicate(this.#db.name, this.#url)
    await replication.sync({ wait: true })
    return () => replication.close()
  }

  async #startLitestream(binary: string, url: string): Promise<() => Promise<void>> {
    const child = spawn(binary, ['replicate', this.#db.name, `file://${url}`], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child.stdout!, 'data')
    child.stdout!.resume()
    return async () => {
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      await exited
    }
  }
}
