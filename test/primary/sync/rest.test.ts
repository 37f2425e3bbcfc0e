import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import type { PrimaryEvents, PrimaryObserver } from '../../../src/primary/events.js'
import { PrimaryDatabase } from '../../../src/primary/sync/primary-database.js'
import { StateFile } from '../../../src/primary/sync/state-file.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'
import { App } from '../app.js'
import { assertReplicaEquals } from '../restored.js'

const INTERVAL = 20
const rows = (count: number) =>
  `INSERT INTO t (v) SELECT randomblob(3000) FROM (WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i<${count}) SELECT i FROM n)`

class Resting {
  readonly file: string
  readonly reasons: (string | undefined)[] = []
  readonly primary: PrimaryDatabase
  ends = 0

  private constructor(file: string, primary: PrimaryDatabase, reasons: (string | undefined)[]) {
    this.file = file
    this.primary = primary
    this.reasons = reasons
  }

  /** A database of some pages, replicated to its own state folder, at rest. */
  static async start(t: TestContext, options: { soon?: boolean; before?: (db: Database.Database) => void } = {}) {
    const file = path.join(temporaryDirectory(t), 'app.db')
    const db = new Database(file)
    db.pragma('journal_mode = wal')
    db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)')
    db.exec(rows(20))
    const reasons: (string | undefined)[] = []
    const primary = await PrimaryDatabase.open(file, {}, (name, event) => {
      if (name === 'sync') reasons.push((event as PrimaryEvents['sync']).snapshotReason)
    })
    t.after(() => primary.close())
    await primary.sync()
    options.before?.(db)
    if (!options.before) db.close()
    const resting = new Resting(file, primary, reasons)
    await resting.rest(options.soon)
    reasons.length = 0
    return resting
  }

  async rest(soon = false): Promise<void> {
    this.ends = 0
    assert.equal(await this.primary.rest(INTERVAL, () => this.ends++, { soon }), true)
    assert.equal(this.primary.isResting, true)
  }

  /** Another process runs SQL; `die`: like a connection that is not the last, so the -wal is kept. */
  sql(statements: readonly string[], { die = true } = {}): void {
    const script = new URL('../sql-process.js', import.meta.url).pathname
    const args = [script, ...(die ? ['--die'] : []), this.file, ...statements]
    const run = spawnSync(process.execPath, args, { encoding: 'utf8' })
    assert.deepEqual([run.status, run.signal], die ? [null, 'SIGKILL'] : [0, null], run.stderr)
  }

  /** The same database in a later process; undefined if that has to open it. */
  async restarted(t: TestContext): Promise<Resting | undefined> {
    const later: { resting?: Resting } = {}
    const reasons: (string | undefined)[] = []
    const observe: PrimaryObserver = (name, event) => {
      if (name === 'sync') reasons.push((event as PrimaryEvents['sync']).snapshotReason)
    }
    const onEnd = () => {
      if (later.resting) later.resting.ends++
    }
    const primary = await PrimaryDatabase.openResting(this.file, {}, observe, { interval: INTERVAL, onEnd })
    if (!primary) return undefined
    t.after(() => primary.close())
    later.resting = new Resting(this.file, primary, reasons)
    return later.resting
  }

  get descriptors(): number {
    return readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith(path.dirname(this.file))
      } catch {
        return false // that of the folder just read
      }
    }).length
  }

  /** Waits for the end of the rest, syncs, compares, and returns the reasons of the files since. */
  async woken(): Promise<(string | undefined)[]> {
    await until('the change is noticed', () => this.ends > 0)
    await this.primary.sync()
    assert.equal(this.ends, 1)
    await this.equal()
    return this.reasons.splice(0)
  }

  async equal(): Promise<void> {
    await assertReplicaEquals(`file://${this.primary.meta}`, this.file)
  }
}

/** Writes the content of a file again; `times`: keeps its times. */
function rewrite(file: string, times = false): void {
  const { atime, mtime } = statSync(file)
  writeFileSync(file, readFileSync(file))
  if (times) utimesSync(file, atime, mtime)
}

for (const soon of [false, true]) {
  const how = soon ? 'with frames in its WAL' : 'with an empty WAL'
  test(`a database that rests ${how} has no open file, and the next commit is replicated incrementally`, async (t) => {
    const resting = await Resting.start(t, { soon })
    assert.equal(resting.descriptors, 0)
    assert.equal(statSync(`${resting.file}-wal`).size === 0, !soon)
    resting.sql([rows(2)])
    assert.deepEqual(await resting.woken(), [undefined])
    await resting.rest()
    resting.sql(['PRAGMA wal_autocheckpoint = 0', rows(1), 'DELETE FROM t WHERE id % 2', 'VACUUM', rows(400)])
    assert.deepEqual(await resting.woken(), [undefined])
  })
}

test('if an application reads a resting database, and SQLite then removes the -wal, no LTX file is written', async (t) => {
  const resting = await Resting.start(t)
  resting.sql(['SELECT count(*) FROM t'], { die: false })
  assert.equal(existsSync(`${resting.file}-wal`), false)
  assert.deepEqual(await resting.woken(), [])
  resting.sql([rows(2)])
  await resting.primary.sync()
  assert.deepEqual(resting.reasons, [undefined])
  await resting.equal()
})

test('if the WAL was copied into the database file while no primary ran, the primary writes a snapshot', async (t) => {
  for (const [statements, die] of [
    [[rows(1500), rows(1500), rows(1)], true],
    [[rows(1)], false],
    [['PRAGMA wal_autocheckpoint = 1', rows(1), rows(1)], true],
    [['PRAGMA journal_mode = delete', rows(1), 'PRAGMA journal_mode = wal'], true],
    [['PRAGMA journal_mode = delete', rows(1)], false],
  ] as const) {
    const resting = await Resting.start(t)
    resting.sql(statements, { die })
    const [reason, ...others] = await resting.woken()
    assert.equal(typeof reason, 'string', statements.join('; '))
    assert.equal(resting.primary.costlyRests, 1)
    assert.deepEqual(others, [])
  }
})

test('the primary notices that a resting database was replaced, copied over or deleted', async (t) => {
  const copyOf = (file: string) => {
    const copy = `${file}.copy`
    copyFileSync(file, copy)
    const db = new Database(copy)
    db.exec('DELETE FROM t WHERE id > 3')
    db.close()
    return copy
  }
  await t.test('if another file replaces a resting database, the primary notices the replacement', async (t) => {
    const resting = await Resting.start(t)
    renameSync(copyOf(resting.file), resting.file)
    assert.equal((await resting.woken()).length, 1)
  })
  await t.test(
    'if a copy with an equal modification time is written over a resting database, the primary notices the copy',
    async (t) => {
      const resting = await Resting.start(t)
      const copy = copyOf(resting.file)
      const { atime, mtime } = statSync(resting.file)
      copyFileSync(copy, resting.file)
      utimesSync(resting.file, atime, mtime)
      assert.equal((await resting.woken()).length, 1)
    },
  )
  await t.test(
    'if a resting database is deleted, the primary notices the deletion and reports the database as missing',
    async (t) => {
      const resting = await Resting.start(t)
      for (const suffix of ['', '-wal', '-shm']) rmSync(resting.file + suffix, { force: true })
      await until('the change is noticed', () => resting.ends > 0)
      await assert.rejects(resting.primary.sync(), { code: 'NOT_FOUND' })
      assert.equal(resting.primary.missing, true)
    },
  )
})

test('if an application leaves WAL mode while the database rests, the primary notices the change and sets WAL mode again', async (t) => {
  for (const mode of ['delete', 'truncate', 'persist']) {
    const resting = await Resting.start(t)
    resting.sql([`PRAGMA journal_mode = ${mode}`, rows(2), 'DELETE FROM t WHERE id % 3 = 0'], { die: false })
    assert.ok(
      (await resting.woken())[0] !== undefined,
      'commits outside of the WAL need a file with the whole database',
    )
    resting.sql([rows(2)])
    await resting.primary.sync()
    await resting.equal()
    const db = new Database(resting.file, { readonly: true })
    assert.equal(db.pragma('journal_mode', { simple: true }), 'wal')
    db.close()
  }
})

test('a read transaction of the application does not prevent a database from resting, and a later commit is replicated incrementally', async (t) => {
  let db!: Database.Database
  const resting = await Resting.start(t, {
    before: (own) => {
      db = own
      db.exec(rows(3))
      db.exec('BEGIN; SELECT * FROM t')
    },
  })
  t.after(() => db.close())
  db.exec('COMMIT')
  db.exec(rows(2))
  assert.deepEqual(await resting.woken(), [undefined])
})

test('a sync opens a resting database and ends its rest', async (t) => {
  const resting = await Resting.start(t)
  await resting.primary.sync()
  assert.equal(resting.ends, 1)
  assert.equal(resting.primary.isResting, false)
  assert.deepEqual(resting.reasons, [])
})

test('if a database rested before a restart, the primary continues without a snapshot', async (t) => {
  const resting = await Resting.start(t)
  await resting.primary.close()
  resting.sql([rows(1)])
  const reasons: (string | undefined)[] = []
  const primary = await PrimaryDatabase.open(resting.file, {}, (name, event) => {
    if (name === 'sync') reasons.push((event as PrimaryEvents['sync']).snapshotReason)
  })
  t.after(() => primary.close())
  await primary.sync()
  assert.deepEqual(reasons, [undefined])
  await assertReplicaEquals(`file://${primary.meta}`, resting.file)
})

for (const soon of [false, true]) {
  const how = soon ? 'with frames in its WAL' : 'with an empty WAL'
  test(`if a database rests ${how} when the primary ends, the next primary opens no database file, and the next commit is incremental`, async (t) => {
    const resting = await Resting.start(t, { soon })
    await resting.primary.close()
    const later = await resting.restarted(t)
    assert.ok(later)
    assert.equal(later.primary.isResting, true)
    assert.equal(later.primary.restsUnchanged, true)
    assert.equal(later.primary.isKnown, true)
    assert.equal(later.primary.txid, resting.primary.txid)
    assert.equal(later.descriptors, 0)
    await later.equal()
    resting.sql([rows(2)])
    assert.deepEqual(await later.woken(), [undefined])
    await later.rest(soon)
    await later.primary.close()
    assert.ok(await later.restarted(t))
  })

  test(`if a database that rests ${how} changes while no primary runs, the next primary opens the database`, async (t) => {
    const file = ({ file }: Resting) => file
    const changes: readonly (readonly [string, (resting: Resting) => void])[] = [
      ['a commit', (resting) => resting.sql([rows(1)])],
      ['a commit that was checkpointed', (resting) => resting.sql([rows(1)], { die: false })],
      ['a commit and a truncated WAL', (resting) => resting.sql([rows(1), 'PRAGMA wal_checkpoint(TRUNCATE)'])],
      ['a restarted WAL', (resting) => resting.sql(['PRAGMA wal_checkpoint(RESTART)', rows(1)])],
      ['another journal mode', (resting) => resting.sql(['PRAGMA journal_mode = delete'], { die: false })],
      ['a write of another program', (resting) => rewrite(file(resting))],
      ['a write of another program that keeps the time', (resting) => rewrite(file(resting), true)],
      ['rights', (resting) => chmodSync(file(resting), 0o640)],
    ]
    for (const [what, change] of changes) {
      const resting = await Resting.start(t, { soon })
      await resting.primary.close()
      change(resting)
      assert.equal(await resting.restarted(t), undefined, what)
      const primary = await PrimaryDatabase.open(resting.file)
      t.after(() => primary.close())
      await primary.sync()
      await resting.equal()
    }
  })
}

test('if a resting database’s -wal loses frames while no primary runs, the next primary opens the database', async (t) => {
  for (const damage of [
    (wal: string) => truncateSync(wal, statSync(wal).size - 4096 - 24),
    (wal: string) => truncateSync(wal, 0),
    (wal: string) => rmSync(wal),
    (wal: string) => {
      const bytes = readFileSync(wal)
      bytes[bytes.length - 4096 - 8]! ^= 1 // the checksum of the last frame
      writeFileSync(wal, bytes)
    },
  ]) {
    const resting = await Resting.start(t, { soon: true })
    await resting.primary.close()
    damage(`${resting.file}-wal`)
    assert.equal(await resting.restarted(t), undefined)
  }
})

test('after a reboot, a starting primary opens every database', async (t) => {
  const resting = await Resting.start(t)
  await resting.primary.close()
  const file = new StateFile(resting.primary.meta, resting.file)
  const loaded = file.load()
  assert.ok(loaded.kind === 'present' && loaded.state.rest)
  await file.save({ ...loaded.state, rest: { ...loaded.state.rest, boot: 'another' } })
  file.close()
  assert.equal(await resting.restarted(t), undefined)
})

test('if a database was not resting when the last process ended, the next primary opens the database at its start', async (t) => {
  const resting = await Resting.start(t)
  resting.sql([rows(1)])
  await resting.woken()
  await resting.primary.close()
  assert.equal(await resting.restarted(t), undefined)
})

for (const autoCheckpoint of [-1, 3]) {
  test(`no commit is lost if applications commit while a database rests and is opened again, with wal_autocheckpoint = ${autoCheckpoint}`, async (t) => {
    const file = path.join(temporaryDirectory(t), 'app.db')
    const app = new App(t, file)
    await app.run(3, { autoCheckpoint })
    const primary = await PrimaryDatabase.open(file)
    t.after(() => primary.close())
    await primary.sync()
    app.start({ autoCheckpoint, pause: 15 })
    let rests = 0
    for (let round = 0; rests < 12 && round < 400; round++) {
      if (await primary.rest(5, () => {}, { soon: round % 3 === 0 })) rests++
      await primary.sync()
    }
    await app.stop()
    await primary.sync()
    await assertReplicaEquals(`file://${primary.meta}`, file)
    assert.ok(rests >= 12, `it rested ${rests} times`)
  })
}
