import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3'
import Database from 'better-sqlite3'
import { s3Sdk, s3Server } from '../../test/support/s3.js'
import type { Stage } from './stage.js'

/** A folder of many equal databases, and the replicas of all of them. */
export class Fleet {
  readonly config: string
  readonly size: number
  readonly #directory: string
  readonly #name: string
  readonly #stage: Stage | undefined

  /** `stage`: where the replicas are; a folder without it. Replaces a fleet in `directory`. */
  constructor(directory: string, size: number, stage?: Stage) {
    this.size = size
    this.#directory = directory
    this.#name = `${path.basename(directory)}-${Date.now()}`
    this.#stage = stage
    this.config = path.join(directory, 'litestream.yml')
    rmSync(directory, { recursive: true, force: true })
    mkdirSync(path.join(directory, 'data'), { recursive: true })
    makeDatabases(path.join(directory, 'data'), size)
    // JSON is YAML.
    const dir = path.join(directory, 'data')
    writeFileSync(this.config, JSON.stringify({ dbs: [{ dir, pattern: '*.db', replica: this.#replica() }] }))
  }

  #replica(): object {
    if (!this.#stage) return { url: pathToFileURL(path.join(this.#directory, 'replica')).href }
    const { accessKeyId, secretAccessKey } = s3Server()
    return {
      url: `s3://${this.#stage.bucket}/${this.#name}`,
      endpoint: this.#stage.proxy.url,
      region: 'us-east-1',
      'force-path-style': true,
      'access-key-id': accessKeyId,
      'secret-access-key': secretAccessKey,
    }
  }

  database(number: number): string {
    return path.join(this.#directory, 'data', `${number}.db`)
  }

  /** Commits one row to a database, and closes it. */
  commit(number: number): void {
    const db = new Database(this.database(number))
    db.prepare('INSERT INTO t (content) VALUES (?)').run('x'.repeat(100))
    db.close()
  }

  /** Number of L0 files in the replica of a database. */
  async files(number: number): Promise<number> {
    if (!this.#stage) {
      const folder = path.join(this.#directory, 'replica', `${number}.db`, 'ltx/0')
      return existsSync(folder) ? readdirSync(folder).length : 0
    }
    return this.#withSdk(async (sdk) => {
      const prefix = `${this.#name}/${number}.db/ltx/0000/`
      return (await listed(sdk, this.#stage!.bucket, prefix)).length
    })
  }

  /** Number of databases whose replica has a file. */
  async replicated(): Promise<number> {
    if (!this.#stage) {
      const folder = path.join(this.#directory, 'replica')
      if (!existsSync(folder)) return 0
      let count = 0
      for (const name of readdirSync(folder)) {
        const level = path.join(folder, name, 'ltx/0')
        if (existsSync(level) && readdirSync(level).some((file) => file.endsWith('.ltx'))) count++
      }
      return count
    }
    return this.#withSdk(async (sdk) => {
      const keys = await listed(sdk, this.#stage!.bucket, `${this.#name}/`)
      return new Set(keys.filter((key) => key.endsWith('.ltx')).map((key) => key.split('/')[1])).size
    })
  }

  async #withSdk<T>(use: (sdk: S3Client) => Promise<T>): Promise<T> {
    const sdk = s3Sdk()
    try {
      return await use(sdk)
    } finally {
      sdk.destroy()
    }
  }
}

async function listed(sdk: S3Client, bucket: string, prefix: string): Promise<string[]> {
  const keys: string[] = []
  for (let token: string | undefined; ; ) {
    const page = await sdk.send(
      new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ...(token && { ContinuationToken: token }) }),
    )
    for (const { Key } of page.Contents ?? []) keys.push(Key!)
    token = page.NextContinuationToken
    if (token === undefined) return keys
  }
}

/** `0.db` to `<count - 1>.db`, copies of one small database in WAL mode. */
export function makeDatabases(folder: string, count: number): void {
  const first = path.join(folder, '0.db')
  const db = new Database(first)
  db.pragma('journal_mode = wal')
  db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, content TEXT)')
  db.prepare('INSERT INTO t (content) VALUES (?)').run('x'.repeat(2000))
  db.close()
  for (let i = 1; i < count; i++) copyFileSync(first, path.join(folder, `${i}.db`))
}
