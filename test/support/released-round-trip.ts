import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'
import Database from 'better-sqlite3'
import { replicate } from '../../src/primary/replicate.js'
import { restore } from '../../src/restore/restore.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { cleanUp } from './clean-up.js'
import type { Released } from './released.js'
import { value } from './replica.js'
import { temporaryDirectory } from './temporary-directory.js'

/** One place in a store, for us and for Litestream. */
export interface SharedPlace {
  readonly url: string
  /** Lines below `replica:` of a configuration. */
  readonly yaml: readonly string[]
}

/** Litestream writes and we restore, then we write and it restores. */
export async function bothWays(
  t: TestContext,
  official: Released,
  place: (name: string) => SharedPlace,
): Promise<void> {
  const directory = temporaryDirectory(t)
  const database = (name: string, rows: number) => {
    const db = new Database(path.join(directory, name))
    cleanUp(t, () => db.close())
    db.pragma('journal_mode = WAL')
    db.exec('CREATE TABLE t (i INTEGER PRIMARY KEY, text TEXT)')
    const insert = db.prepare('INSERT INTO t (text) VALUES (?)')
    for (let i = 0; i < rows; i++) insert.run('x'.repeat(100))
    return db
  }
  const configuration = (name: string) => {
    const file = path.join(directory, `${name}.yml`)
    const replica = place(name).yaml.map((line) => `      ${line}`)
    writeFileSync(file, ['dbs:', `  - path: ${path.join(directory, name)}`, '    replica:', ...replica, ''].join('\n'))
    return file
  }
  const rowsOf = (file: string) => {
    const db = new Database(file, { readonly: true })
    cleanUp(t, () => db.close())
    assert.equal(db.pragma('integrity_check', { simple: true }), 'ok')
    return value(db, 'SELECT count(*) FROM t')
  }

  database('theirs.db', 300)
  await official.succeed(['replicate', '-config', configuration('theirs.db'), '-once'])
  const client = await openReplicaClient(place('theirs.db').url)
  cleanUp(t, () => client.close())
  const ours = path.join(directory, 'restored-by-us.db')
  await restore(client, { output: ours })
  assert.equal(rowsOf(ours), 300)

  database('ours.db', 400)
  const primary = await replicate(path.join(directory, 'ours.db'), place('ours.db').url)
  await primary.sync({ wait: true })
  await primary.close()
  const theirs = path.join(directory, 'restored-by-them.db')
  const config = configuration('ours.db')
  await official.succeed(['restore', '-config', config, '-o', theirs, path.join(directory, 'ours.db')])
  assert.equal(rowsOf(theirs), 400)
}
