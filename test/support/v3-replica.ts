import { writeFileSync } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'
import Database from 'better-sqlite3'
import { openReplicaClient } from '../../src/storage/open.js'
import type { ReplicaClient } from '../../src/storage/replica-client.js'
import { contentHashes } from './content.js'
import type { Random } from './random.js'
import { randomChange, schemaOf } from './random-writer.js'
import type { Released } from './released.js'
import { s3Bucket, s3Server, s3Url } from './s3.js'
import { until } from './until.js'

export type V3Store = 'file' | 's3'

/** A database and its replica in the format of Litestream 0.3, written by the released program. */
export interface V3Replica {
  readonly file: string
  /** The configuration of the released program. */
  readonly config: string
  readonly url: string
  readonly db: Database.Database
  readonly client: ReplicaClient
  /**
   * A time after each change, milliseconds since the epoch; the first is after the first snapshot.
   */
  readonly times: readonly number[]
  /** The content at the end. */
  readonly hashes: Record<string, string>
  readonly generations: number
  /** Segments and snapshots. */
  readonly objects: number
}

/**
 * Lets the released program replicate random changes in `generations` runs. Between two runs the
 * application commits and restarts the WAL, so that each run starts a new generation. It checkpoints
 * after every change, so that WALs are many and short, and a snapshot is due every second.
 */
export async function writeV3Replica(
  t: TestContext,
  official: Released,
  directory: string,
  { store, random, generations }: { readonly store: V3Store; readonly random: Random; readonly generations: number },
): Promise<V3Replica> {
  const file = path.join(directory, 'app.db')
  const config = path.join(directory, 'litestream-0.3.yml')
  const { url, yaml } = await placeIn(t, store, directory)
  writeFileSync(
    config,
    `dbs:
  - path: ${file}
    monitor-interval: 50ms
    min-checkpoint-page-count: 1
    replicas: [{ ${yaml}, sync-interval: 20ms, snapshot-interval: 1s, retention: 1h }]
`,
  )
  const db = new Database(file)
  t.after(() => db.close())
  db.pragma('auto_vacuum = incremental')
  db.pragma('journal_mode = wal')
  db.exec(schemaOf(1, random))
  const client = await openReplicaClient(url)
  t.after(() => client.close())

  const times: number[] = []
  for (let run = 0; run < generations; run++) {
    db.exec(randomChange(random, { txid: run } as never))
    db.pragma('wal_checkpoint(TRUNCATE)')
    const begun = (await generationsOf(client)).size
    const daemon = official.start(['replicate', '-config', config])
    await until('0.3 has begun a generation', async () => (await generationsOf(client)).size > begun)
    for (let change = random.integer(3, 5); change > 0; change--) {
      const before = (await namesOf(client)).size
      db.exec(randomChange(random, { txid: change } as never))
      db.exec('CREATE TABLE IF NOT EXISTS tick (n); INSERT INTO tick VALUES (1)')
      await until('0.3 has cut a segment', async () => (await namesOf(client)).size > before)
      times.push(Date.now())
    }
    // Its last sync is not in every case part of its end.
    const wanted = JSON.stringify(userHashes(file))
    let tries = 0
    await until('0.3 has replicated everything', async () => {
      const output = path.join(directory, `caught-up-${run}-${tries++}.db`)
      const { status } = await official.run(['restore', '-config', config, '-o', output, file])
      return status === 0 && JSON.stringify(userHashes(output)) === wanted
    })
    daemon.process.kill('SIGTERM')
    await daemon.ended
  }
  const names = await namesOf(client)
  return {
    file,
    config,
    url,
    db,
    client,
    times,
    hashes: userHashes(file),
    generations: (await generationsOf(client)).size,
    objects: names.size,
  }
}

async function placeIn(t: TestContext, store: V3Store, directory: string): Promise<{ url: string; yaml: string }> {
  if (store === 'file') return { url: `file://${directory}/replica`, yaml: `path: ${directory}/replica` }
  const bucket = await s3Bucket(t)
  const { endpoint, accessKeyId, secretAccessKey } = s3Server()
  const settings = {
    type: 's3',
    bucket,
    path: 'app.db',
    endpoint,
    region: 'us-east-1',
    'force-path-style': true,
    'access-key-id': accessKeyId,
    'secret-access-key': secretAccessKey,
  }
  const yaml = Object.entries(settings).map(([key, value]) => `${key}: ${JSON.stringify(value)}`)
  return { url: s3Url(bucket), yaml: yaml.join(', ') }
}

async function namesOf(client: ReplicaClient): Promise<Set<string>> {
  const names = new Set<string>()
  for await (const { name } of client.legacy!.list('generations/')) names.add(name)
  return names
}

/** Generations that have a snapshot. */
async function generationsOf(client: ReplicaClient): Promise<Set<string>> {
  const names = [...(await namesOf(client))].filter((name) => name.includes('/snapshots/'))
  return new Set(names.map((name) => name.split('/snapshots/')[0]!))
}

/** Content of the tables of the application; 0.3 counts its checkpoints in one of its own. */
export function userHashes(file: string): Record<string, string> {
  const { _litestream_seq: _, ...hashes } = contentHashes(file)
  return hashes
}
