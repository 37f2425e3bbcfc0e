import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'
import Database from 'better-sqlite3'
import { listLevels } from '../../src/levels/plan.js'
import { verifyReplica } from '../../src/levels/verify-replica.js'
import type { Health, StatusDocument } from '../../src/status/document.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { giveAway } from '../cli/daemon/daemon-of-two.js'
import { ordinaryUser } from '../cli/run.js'
import { assertReplicaEquals } from '../primary/restored.js'
import { cleanUp } from '../support/clean-up.js'
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.js'
import { natsServerUrl, natsUrl } from '../support/nats.js'
import { compileWallClock } from '../support/probe.js'
import { s3Bucket, s3Server, s3Url } from '../support/s3.js'
import { freePort } from '../support/servers/free-port.js'
import { type SilentProxy, startSilentProxy } from '../support/silent-proxy.js'
import { until } from '../support/until.js'
import type { WriterCommand } from './writer-process.js'

export type Scope = Pick<TestContext, 'after'>

/**
 * One database of the soak. Its folder holds nothing else but the database's own files and the
 * state folder.
 */
export interface SoakDatabase {
  readonly name: string
  readonly store: 'file' | 's3' | 'nats'
  readonly folder: string
  readonly file: string
  readonly stateFolder: string
  /** Of a replica in a folder. */
  readonly replicaFolder: string | undefined
  /** Of the replica, past every proxy. */
  readonly url: string
}

/** Databases of each store. */
const DATABASES = 2
/** Fast enough that every kind of work of a daemon runs several times in a round. */
const SETTINGS = `
snapshot: { interval: 10s, retention: 10s }
levels: [{ interval: 1s }, { interval: 3s }, { interval: 10s }]
l0-retention: 5s
l0-retention-check-interval: 1s
validation: { interval: 5s }
shutdown-sync-timeout: 10s`

/**
 * A daemon with databases in every kind of store, the application that writes to them, and the
 * proxies before the stores.
 */
export class SoakWorld {
  readonly dir: string
  readonly databases: readonly SoakDatabase[]
  readonly s3: FaultProxy
  readonly nats: SilentProxy
  readonly #clock: string
  readonly #address: string
  readonly #daemon: ChildProcess
  readonly #writer: ChildProcess
  readonly #answers = new Map<number, () => void>()
  #lastId = 0

  static async start(t: Scope, dir: string): Promise<SoakWorld> {
    const s3 = await startFaultProxy({ target: s3Server().endpoint })
    cleanUp(t, () => s3.close())
    const natsServer = new URL(natsServerUrl())
    const nats = await startSilentProxy(t, natsServer.host)
    const bucket = await s3Bucket({ after: (step: unknown) => cleanUp(t, step as () => unknown) } as Scope)
    const natsBucket = natsUrl()
    const databases: SoakDatabase[] = []
    const entries: string[] = []
    for (const store of ['file', 's3', 'nats'] as const) {
      for (let i = 1; i <= DATABASES; i++) {
        const name = `${store}${i}`
        const folder = path.join(dir, 'databases', name)
        const file = path.join(folder, 'app.db')
        const replicaFolder = path.join(dir, 'replicas', name)
        const url = { file: `file://${replicaFolder}`, s3: s3Url(bucket, name), nats: withPrefix(natsBucket, name) }[
          store
        ]
        const proxied = {
          file: url,
          s3: s3Url(bucket, name, s3.url),
          nats: url.replace(natsServer.host, nats.address),
        }[store]
        databases.push({
          ...{ name, store, folder, file, url },
          stateFolder: path.join(folder, '.app.db-litestream'),
          replicaFolder: store === 'file' ? replicaFolder : undefined,
        })
        entries.push(
          `  - { path: ${file}, monitor-interval: 100ms, checkpoint-interval: 2s, min-checkpoint-page-count: 50, ` +
            `replica: { url: "${proxied}", sync-interval: 100ms } }`,
        )
      }
    }
    const port = await freePort()
    for (const { folder, file } of databases) {
      mkdirSync(folder, { recursive: true })
      const db = new Database(file)
      db.pragma('journal_mode = wal')
      db.close()
    }
    mkdirSync(path.join(dir, 'replicas'))
    const config = `addr: 127.0.0.1:${port}${SETTINGS}\ndbs:\n${entries.join('\n')}\n`
    writeFileSync(path.join(dir, 'litestream.yml'), config)
    writeFileSync(path.join(dir, 'clock'), Buffer.alloc(8))
    giveAway(dir)
    chmodSync(dir, 0o755)
    return new SoakWorld(t, dir, databases, s3, nats, port)
  }

  private constructor(
    t: Scope,
    dir: string,
    databases: readonly SoakDatabase[],
    s3: FaultProxy,
    nats: SilentProxy,
    port: number,
  ) {
    this.dir = dir
    this.databases = databases
    this.s3 = s3
    this.nats = nats
    this.#clock = path.join(dir, 'clock')
    this.#address = `http://127.0.0.1:${port}`
    this.#writer = fork(
      new URL('./writer-process.js', import.meta.url),
      databases.map(({ file }) => file),
      { ...ordinaryUser, stdio: ['ignore', 2, 2, 'ipc'] },
    )
    cleanUp(t, () => this.#end(this.#writer))
    this.#writer.on('message', (id: number) => {
      this.#answers.get(id)?.()
      this.#answers.delete(id)
    })
    const log = openSync(this.log, 'w')
    const main = path.resolve(import.meta.dirname, '../../src/cli/main.js')
    const own = /^(LITESTREAM_|LOG_LEVEL$|NODE_TEST_CONTEXT$)/
    const inherited = Object.entries(process.env).filter(([name]) => !own.test(name))
    this.#daemon = spawn(process.execPath, [main, 'replicate', '-config', path.join(dir, 'litestream.yml')], {
      ...ordinaryUser,
      stdio: ['ignore', log, log],
      env: { ...Object.fromEntries(inherited), LD_PRELOAD: compileWallClock(), WALL_CLOCK_FILE: this.#clock },
    })
    closeSync(log)
    cleanUp(t, () => this.#end(this.#daemon))
  }

  /** Everything that the daemon has printed. */
  get log(): string {
    return path.join(this.dir, 'daemon.log')
  }

  get daemonPid(): number {
    return this.#daemon.pid!
  }

  /** Throws if the daemon or the application has ended: nothing in a soak may end them. */
  assertRunning(): void {
    for (const [what, { exitCode, signalCode }] of [
      ['the daemon', this.#daemon],
      ['the application', this.#writer],
    ] as const) {
      if (exitCode !== null || signalCode !== null) throw new Error(`${what} ended (${signalCode ?? exitCode})`)
    }
  }

  /** Sets the wall clock of the daemon, milliseconds from the real one. */
  setClock(offset: number): void {
    const bytes = new BigInt64Array([BigInt(offset)])
    writeFileSync(this.#clock, new Uint8Array(bytes.buffer), { flag: 'r+' })
  }

  /**
   * The application closes its connection, or opens it again; `commit`: resolves after its next
   * commit.
   */
  async tell(what: WriterCommand['do'], { file }: SoakDatabase): Promise<void> {
    const id = ++this.#lastId
    const answered = new Promise<void>((resolve) => this.#answers.set(id, resolve))
    this.#writer.send({ id, do: what, file } satisfies WriterCommand)
    await answered
  }

  /** Deletes every object of a replica, behind the daemon's back. */
  async empty({ url }: SoakDatabase): Promise<void> {
    const client = await openReplicaClient(url)
    try {
      for (const files of await listLevels(client)) await client.delete(files)
    } finally {
      await client.close()
    }
  }

  /** Throws if the replica of a database is not whole, or not what the database is. */
  async assertReplicated({ url, file }: SoakDatabase): Promise<void> {
    await assertReplicaEquals(url, file)
    const client = await openReplicaClient(url)
    try {
      const { faults } = await verifyReplica(client)
      if (faults.length > 0) throw new Error(`verify: ${faults.map(({ error }) => error.message).join('; ')}`)
    } finally {
      await client.close()
    }
  }

  async health(): Promise<Health> {
    const response = await fetch(`${this.#address}/healthz?max-lag=10s`, { signal: AbortSignal.timeout(10_000) })
    return (await response.json()) as Health
  }

  async status(): Promise<StatusDocument> {
    const response = await fetch(`${this.#address}/status.json`, { signal: AbortSignal.timeout(10_000) })
    return (await response.json()) as StatusDocument
  }

  /** Resolves once the daemon listens. */
  async listens(): Promise<void> {
    await until(
      'the daemon listens',
      () => {
        this.assertRunning()
        return /addr=(http:\S+)/.test(readFileSync(this.log, 'utf8'))
      },
      60_000,
    )
  }

  /** Ends the daemon as a user does; returns its exit status. */
  async stop(): Promise<number | NodeJS.Signals> {
    const ended = once(this.#daemon, 'exit')
    this.#daemon.kill('SIGTERM')
    const [status, signal] = (await ended) as [number | null, NodeJS.Signals | null]
    return signal ?? status!
  }

  async #end(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
}

/** A replica URL one folder below. */
function withPrefix(url: string, name: string): string {
  const [base, query] = url.split('?')
  return `${base}/${name}?${query}`
}
