import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { generateX25519Identity } from 'age-encryption'
import Database from 'better-sqlite3'
import { openReplica } from '../src/replica/handle/open-replica.js'
import { restore } from '../src/restore/restore.js'
import type { EncryptionSettings } from '../src/storage/encrypted/settings.js'
import { openReplicaClient } from '../src/storage/open.js'
import { publishSnapshot } from './support/publish.js'
import type { Question } from './support/question.js'
import type { Column } from './support/result.js'
import { ratios, spread } from './support/stats.js'

/** Posts of the dataset: some 40 MB. */
const POSTS = 50_000
const LITTLE_POSTS = 5000
/** Lookups of one warm measurement. */
const LOOKUPS = 20_000
/** Rows that a cold measurement reads from all over the table. */
const SCATTERED = 200

const COLUMNS: readonly Column[] = [
  { key: 'work', label: 'work', unit: 'text' },
  { key: 'plain', label: 'plain', unit: 'ms' },
  { key: 'encrypted', label: 'encrypted', unit: 'ms' },
  { key: 'ratio', label: 'encrypted / plain', unit: 'x' },
]

interface Place {
  readonly url: string
  readonly encryption: EncryptionSettings | false
}

type Work = (place: Place, round: number) => Promise<number>

export const encryption: Question = {
  name: 'encryption',
  question: 'How much processor time does the encryption of a replica with age take?',
  limit:
    'Encryption needs ChaCha20-Poly1305 of Node.js once per chunk of 64 KiB, and X25519 once per file. A resident page is not encrypted.',
  budget: 60,
  async run(bench) {
    const { file, posts } = bench.dataset(bench.quick ? LITTLE_POSTS : POSTS)
    const identities = await generateX25519Identity()
    const choices: readonly (EncryptionSettings | false)[] = [false, { identities }]
    const places = choices.map((settings, i): Place => {
      const folder = path.join(bench.directory, `replica-${i}`)
      mkdirSync(folder, { recursive: true })
      return { url: `file://${folder}`, encryption: settings }
    })
    const lookups = bench.size(LOOKUPS, 100)
    const works: Readonly<Record<string, Work>> = {
      'write a snapshot': async ({ url, encryption: settings }, round) => {
        const client = await openReplicaClient(`${url}/${round}`, { encryption: settings })
        const ms = await cpuOf(() => publishSnapshot(client, file, 1))
        await client.close()
        return ms
      },
      'restore it': async ({ url, encryption: settings }, round) => {
        const client = await openReplicaClient(`${url}/${round}`, { encryption: settings })
        const output = path.join(bench.directory, 'restored.db')
        const ms = await cpuOf(() => restore(client, { output, force: true, integrityCheck: 'none' }))
        await client.close()
        return ms
      },
      [`${SCATTERED} cold rows, from all over a table`]: (place, round) =>
        onReplica(place, round, { readAhead: 'none' }, (db) => readScattered(db, posts, SCATTERED, round)),
      [`${lookups} warm rows`]: (place, round) =>
        onReplica(
          place,
          round,
          { cacheSize: '256MiB' },
          (db) => readScattered(db, 100, lookups, round),
          (db) => {
            readScattered(db, 100, 1000, round)
          },
        ),
    }
    const rows = []
    for (const [work, run] of Object.entries(works)) {
      bench.progress(work)
      const times: [number[], number[]] = [[], []]
      const rounds = bench.rounds(5)
      for (let round = 0; round < rounds; round++) {
        for (const i of [0, 1] as const) times[i].push(await run(places[i]!, work === 'write a snapshot' ? round : 0))
      }
      rows.push({ work, plain: spread(times[0]), encrypted: spread(times[1]), ratio: ratios(times[1], times[0]) })
    }
    const notes = [
      'The processor time is that of all threads of the process, with a replica in a folder. The benchmark measures the encrypted replica and the plain replica in turns.',
    ]
    return [{ id: 'encryption', title: 'Encryption with age', columns: COLUMNS, rows, notes }]
  },
}

/** Milliseconds of processor time of this process. */
async function cpuOf(act: () => unknown): Promise<number> {
  const before = process.cpuUsage()
  await act()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

async function onReplica(
  { url, encryption: settings }: Place,
  round: number,
  options: { readonly readAhead?: 'none'; readonly cacheSize?: string },
  act: (db: Database.Database) => void,
  before: (db: Database.Database) => void = () => undefined,
): Promise<number> {
  const replica = await openReplica(`${url}/${round}`, { ...options, ...(settings ? { encryption: settings } : {}) })
  const db = new Database(replica.uri, { readonly: true })
  before(db)
  const ms = await cpuOf(() => act(db))
  db.close()
  await replica.close()
  return ms
}

function readScattered(db: Database.Database, rows: number, count: number, round: number): void {
  const row = db.prepare('SELECT content FROM posts WHERE id = ?')
  for (let i = 0; i < count; i++) row.get(1 + ((i * 7919 + round) % rows))
}
