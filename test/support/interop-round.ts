import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { copyFileSync, existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'
import Database from 'better-sqlite3'
import { formatTxid } from '../../src/ltx/txid.js'
import { replicate } from '../../src/primary/replicate.js'
import { replicateOnce } from '../../src/primary/replicate-once.js'
import { follow } from '../../src/restore/follow.js'
import { restore } from '../../src/restore/restore.js'
import { openReplicaClient } from '../../src/storage/open.js'
import type { ReplicaClient } from '../../src/storage/replica-client.js'
import { run } from '../cli/run.js'
import type { Child } from './child.js'
import { contentHashes } from './content.js'
import { natsServerUrl } from './nats.js'
import { askOfficialVfs, contentSum } from './official-vfs.js'
import type { Random } from './random.js'
import { randomChange, schemaOf } from './random-writer.js'
import type { Released } from './released.js'
import { s3Bucket, s3Server, s3Url } from './s3.js'
import { temporaryDirectory } from './temporary-directory.js'
import { until } from './until.js'

export const STORES = ['file', 's3', 'nats'] as const
export type StoreName = (typeof STORES)[number]
export const PAGE_SIZES = [512, 1024, 4096, 8192, 65536] as const

/** The same replica, as each program names it. */
interface Place {
  readonly ours: string
  readonly theirs: string
  /** Credentials for the released program, which takes none from a URL. */
  readonly env: Readonly<Record<string, string>>
}

async function placeIn(store: StoreName, t: TestContext, directory: string): Promise<Place> {
  if (store === 'file') return { ours: `file://${directory}/replica`, theirs: `file://${directory}/replica`, env: {} }
  if (store === 'nats') {
    const url = `${natsServerUrl()}/interop-${randomUUID()}`
    return { ours: `${url}?createBucket=true`, theirs: url, env: {} }
  }
  const bucket = await s3Bucket(t)
  const { endpoint, accessKeyId, secretAccessKey } = s3Server()
  return {
    ours: s3Url(bucket),
    theirs: `s3://${bucket}/app.db?endpoint=${encodeURIComponent(endpoint)}&region=us-east-1&forcePathStyle=true`,
    env: { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
  }
}

interface Stage {
  readonly writer: string
  readonly txid: number
  /**
   * Later than every file of the stage and earlier than those of the next, milliseconds since the
   * epoch.
   */
  readonly time: number
  readonly hashes: Record<string, string>
}

const WRITERS = ['ours once', 'theirs once', 'ours live', 'theirs live'] as const

export interface RoundOptions {
  readonly official: Released
  readonly random: Random
  readonly store: StoreName
  readonly pageSize: number
  readonly stages: number
}

/**
 * One database, one state folder and one replica, which ours and the released program write in
 * turns. After each turn both restore the state that was committed; at the end both restore every
 * earlier state by TXID and by time, list the same files, and their followers have the last state,
 * and so has the official VFS in folders and S3.
 */
export async function playRound(t: TestContext, options: RoundOptions): Promise<void> {
  const round = new Round(t, options)
  await round.start()
  for (let i = 0; i < options.stages; i++) await round.stage(i)
  await round.finish()
}

class Round {
  readonly #t: TestContext
  readonly #options: RoundOptions
  readonly #directory: string
  readonly #stages: Stage[] = []
  readonly #stopFollowing = new AbortController()
  #db!: Database.Database
  #place!: Place
  #client!: ReplicaClient
  #following: Promise<void> = Promise.resolve()
  #theirFollower: Child | undefined
  /** The reason why our follower has ended. */
  #followFailure: unknown
  #writers: (typeof WRITERS)[number][] = []

  constructor(t: TestContext, options: RoundOptions) {
    this.#t = t
    this.#options = options
    this.#directory = temporaryDirectory(t)
  }

  #at(name: string): string {
    return path.join(this.#directory, name)
  }

  get #file(): string {
    return this.#at('app.db')
  }

  async start(): Promise<void> {
    const { store, pageSize, random } = this.#options
    this.#place = await placeIn(store, this.#t, this.#directory)
    const db = new Database(this.#file)
    this.#db = db
    this.#t.after(() => db.close())
    db.pragma(`page_size = ${pageSize}`)
    db.pragma('auto_vacuum = incremental')
    db.pragma('journal_mode = wal')
    // The released program loses its read transaction now and then; a checkpoint of the application
    // would then break its replica.
    db.pragma('wal_autocheckpoint = 0')
    db.exec(schemaOf(1, random))
    this.#client = await openReplicaClient(this.#place.ours)
    this.#t.after(async () => {
      this.#stopFollowing.abort()
      await this.#following.catch(() => {})
      await this.#client.close()
    })
  }

  #change(): void {
    const { random } = this.#options
    for (let n = random.integer(1, 5); n > 0; n--) {
      this.#db.exec(randomChange(random, { txid: n } as never))
    }
  }

  async stage(number: number): Promise<void> {
    // Every writer runs once before any runs again, in a random order.
    if (this.#writers.length === 0) this.#writers = [...WRITERS]
    const [writer] = this.#writers.splice(this.#options.random.integer(0, this.#writers.length - 1), 1)
    await this.#write(writer!)
    const hashes = contentHashes(this.#file)
    const txid = await this.#newestTxid()
    const what = `stage ${number} (${writer}, TXID ${txid}, seed ${this.#options.random.seed})`
    await this.#compare(what, [], {}, hashes)
    const time = await laterThan(Date.now())
    this.#stages.push({ writer: writer!, txid, time, hashes })
    if (number === 0) this.#startFollowers()
  }

  async #write(writer: (typeof WRITERS)[number]): Promise<void> {
    const { official, random } = this.#options
    const { ours, theirs, env } = this.#place
    if (writer === 'ours once') {
      this.#change()
      await replicateOnce(this.#file, ours)
    } else if (writer === 'ours live') {
      const replication = await replicate(this.#file, ours, { monitorInterval: 20 })
      for (let n = random.integer(1, 4); n > 0; n--) {
        this.#change()
        await replication.sync({ wait: true })
      }
      await replication.close()
    } else if (writer === 'theirs once') {
      this.#change()
      this.#checkpoint()
      const more = random.chance(0.4) ? ['-force-snapshot'] : []
      await official.succeed(['replicate', '-once', ...more, this.#file, theirs], env)
    } else {
      this.#checkpoint()
      const daemon = official.start(['replicate', this.#file, theirs], env)
      const output = () => daemon.output() + daemon.errors()
      await until('the released program replicates', () => output().includes('replicating to'))
      this.#change()
      const before = await this.#newestTxid()
      await until('the released program uploads', async () => (await this.#newestTxid()) > before)
      this.#change()
      daemon.process.kill('SIGTERM')
      assert.equal(await daemon.ended, 0, output())
    }
  }

  /**
   * Without it the released program can miss what was committed while it did not run:
   * docs/moving-from-litestream.md.
   */
  #checkpoint(): void {
    const [{ busy }] = this.#db.pragma('wal_checkpoint(TRUNCATE)') as [{ busy: number }]
    assert.equal(busy, 0)
  }

  async #newestTxid(): Promise<number> {
    let newest = 0
    for (const level of [0, 1, 2, 3, 9]) {
      for await (const { maxTxid } of this.#client.list(level)) newest = Math.max(newest, maxTxid)
    }
    return newest
  }

  /**
   * Restores with both programs. `args` and `target` name the same state, in the form that each of
   * them takes.
   */
  async #compare(
    what: string,
    args: readonly string[],
    target: { readonly txid?: number; readonly timestamp?: number },
    hashes: Record<string, string>,
  ): Promise<void> {
    const { official } = this.#options
    const [theirs, ours] = [this.#at('theirs.db'), this.#at('ours.db')]
    await restore(this.#client, { output: ours, force: true, integrityCheck: 'full', ...target })
    assert.deepEqual(contentHashes(ours), hashes, `${what}: ours restores ${JSON.stringify(target)}`)
    const { theirs: url, env } = this.#place
    await official.succeed(['restore', '-force', '-integrity-check', 'full', ...args, '-o', theirs, url], env)
    assert.deepEqual(contentHashes(theirs), hashes, `${what}: theirs restores ${args.join(' ')}`)
  }

  #startFollowers(): void {
    const { official } = this.#options
    const { theirs, env } = this.#place
    const args = ['restore', '-f', '-follow-interval', '100ms', '-o', this.#at('their-follower.db'), theirs]
    this.#theirFollower = official.start(args, env)
    this.#following = follow(this.#client, {
      output: this.#at('our-follower.db'),
      interval: 50,
      signal: this.#stopFollowing.signal,
    })
    // Awaited at the end.
    this.#following.catch((error: unknown) => {
      this.#followFailure = error
    })
  }

  async finish(): Promise<void> {
    const last = this.#stages.at(-1)!
    for (const { writer, txid, time, hashes } of this.#stages.slice(0, -1)) {
      const what = `after ${writer}, TXID ${txid}, seed ${this.#options.random.seed}`
      await this.#compare(what, ['-txid', formatTxid(txid)], { txid }, hashes)
      await this.#compare(what, ['-timestamp', new Date(time).toISOString()], { timestamp: time }, hashes)
    }
    await this.#compareListings()
    await this.#has('our-follower.db', last)
    await this.#has('their-follower.db', last)
    this.#stopFollowing.abort()
    await this.#following
    await this.#takeOverFollower()
    // In NATS it reads each page from the beginning of its object, and cancels some of these reads:
    // test/interop/official-vfs.test.ts.
    if (this.#options.store === 'nats') return
    const { theirs, env } = this.#place
    const sum = await askOfficialVfs(theirs, '.sha3sum', this.#at('vfs.log'), env)
    assert.equal(sum, await contentSum(this.#file), 'the official VFS')
  }

  /** Waits until a follower has the state. */
  async #has(follower: string, { txid, hashes }: Stage): Promise<void> {
    const file = this.#at(`${follower}-txid`)
    // A follower makes the file after its first restore.
    const saved = () => (existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined)
    await until(`${follower} is at the last TXID`, () => {
      if (this.#followFailure !== undefined) throw this.#followFailure
      const { exitCode, signalCode } = this.#theirFollower!.process
      const log = () => this.#theirFollower!.output() + this.#theirFollower!.errors()
      assert.equal(exitCode ?? signalCode, null, `the released follower ended: ${log()}`)
      return saved() === formatTxid(txid)
    })
    const wanted = JSON.stringify(hashes)
    await until(`${follower} has the last state`, () => wanted === JSON.stringify(tryHashes(this.#at(follower))))
  }

  /** Our follower continues from copies of the files of their follower, which still runs. */
  async #takeOverFollower(): Promise<void> {
    for (const suffix of ['', '-txid']) {
      copyFileSync(this.#at(`their-follower.db${suffix}`), this.#at(`taken-over.db${suffix}`))
    }
    this.#change()
    await replicateOnce(this.#file, this.#place.ours)
    const stop = new AbortController()
    this.#t.signal.addEventListener('abort', () => stop.abort())
    let at = 0
    const newest = await this.#newestTxid()
    const done = follow(this.#client, {
      output: this.#at('taken-over.db'),
      interval: 50,
      signal: stop.signal,
      onAdvance: ({ txid }) => {
        at = txid
        if (txid >= newest) stop.abort()
      },
      onError: (error) => {
        failed = error
        stop.abort()
      },
    })
    let failed: unknown
    await done
    if (failed !== undefined) throw failed
    assert.equal(at, newest, 'ours continues from the files of their follower')
    assert.deepEqual(contentHashes(this.#at('taken-over.db')), contentHashes(this.#file))
  }

  async #compareListings(): Promise<void> {
    const { ours, theirs, env } = this.#place
    const args = ['ltx', '-level', 'all', '-json']
    const [mine, other] = await Promise.all([
      run([...args, ours]).then(({ stdout }) => JSON.parse(stdout) as { timestamp: string }[]),
      this.#options.official.succeed([...args, theirs], env).then((text) => JSON.parse(text) as object[]),
    ])
    // Theirs prints whole seconds.
    const cut = mine.map((file) => ({ ...file, timestamp: file.timestamp.replace(/\.\d+Z$/, 'Z') }))
    assert.deepEqual(cut, other)
  }
}

/** The content, or undefined while the follower changes it. */
function tryHashes(file: string): Record<string, string> | undefined {
  try {
    return contentHashes(file)
  } catch {
    return undefined
  }
}

/** Waits until the clock is past a time later than `ms`, and returns that time. */
async function laterThan(ms: number): Promise<number> {
  await until('the clock has gone on', () => Date.now() > ms + 2)
  return ms + 2
}
