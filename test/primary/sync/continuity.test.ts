import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import type { PrimaryEvents } from '../../../src/primary/events.js'
import { replicateOnce } from '../../../src/primary/replicate-once.js'
import type { PrimaryOptions } from '../../../src/primary/sync-options.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { assertReplicaEquals } from '../restored.js'

/** Actions of a scenario while the primary is down. Another process makes every write. */
interface Downtime {
  readonly file: string
  readonly dir: string
  readonly meta: string
  /** Commits, then exits like a connection that is not the last: the -wal is kept. */
  write(...sql: string[]): void
  /** Commits, then closes as the last connection: checkpoint, and the -wal is deleted. */
  writeAndClose(...sql: string[]): void
}

const CREATE = 'CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB); CREATE INDEX i ON t (v)'
const rows = (count: number, size = 500) =>
  `INSERT INTO t (v) SELECT randomblob(${size}) FROM (WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i<${count}) SELECT i FROM n)`
const ONE_EACH = Array.from({ length: 40 }, () => rows(1))

function sql(file: string, statements: string[], die: boolean): void {
  const script = new URL('../sql-process.js', import.meta.url).pathname
  const run = spawnSync(process.execPath, [script, ...(die ? ['--die'] : []), file, ...statements], {
    encoding: 'utf8',
  })
  assert.deepEqual([run.status, run.signal], die ? [null, 'SIGKILL'] : [0, null], run.stderr)
}

/**
 * Replicates, runs `downtime`, replicates again: the replica must be equal. Returns the reason of a
 * snapshot, if any.
 */
async function resume(
  t: TestContext,
  downtime: (down: Downtime) => void,
  options: Partial<PrimaryOptions> = {},
): Promise<string | undefined> {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  const url = `file://${dir}/replica`
  sql(file, ['PRAGMA journal_mode = wal', CREATE, rows(50)], true)
  await replicateOnce(file, url, options)
  sql(file, ['PRAGMA wal_autocheckpoint = 0', ...ONE_EACH.slice(0, 10)], true)
  await replicateOnce(file, url, options)
  downtime({
    file,
    dir,
    meta: path.join(dir, '.app.db-litestream'),
    write: (...statements) => sql(file, statements, true),
    writeAndClose: (...statements) => sql(file, statements, false),
  })
  const reasons: (string | undefined)[] = []
  const observe = (name: string, event: unknown) => {
    if (name === 'sync') reasons.push((event as PrimaryEvents['sync']).snapshotReason)
  }
  await replicateOnce(file, url, { ...options, observe })
  await assertReplicaEquals(url, file)
  assert.ok(reasons.slice(1).every((reason) => reason === undefined))
  // Replication continues from there.
  sql(file, [rows(3)], true)
  const before = reasons.length
  await replicateOnce(file, url, { ...options, observe })
  await assertReplicaEquals(url, file)
  assert.deepEqual(reasons.slice(before), [undefined])
  return reasons[0]
}

test('a sync without a new commit writes no file', async (t) => {
  assert.equal(await resume(t, () => {}), undefined)
})

test('commits in one generation of the WAL are replicated as incremental files', async (t) => {
  assert.equal(await resume(t, ({ write }) => write('PRAGMA wal_autocheckpoint = 0', ...ONE_EACH)), undefined)
})

test('if the WAL restarts once after commits that the primary has not read, the primary writes a snapshot', async (t) => {
  // Litestream takes this for an undisturbed WAL and loses the frames.
  const reason = await resume(t, ({ write }) =>
    write('PRAGMA wal_autocheckpoint = 0', ...ONE_EACH.slice(0, 5), 'PRAGMA wal_checkpoint(PASSIVE)', rows(1)),
  )
  assert.equal(reason, 'the WAL was restarted after commits that the primary had not read')
})

test('if the WAL restarts once after the primary has read every frame, and the last frame remains, the primary writes an incremental file', async (t) => {
  const reason = await resume(t, ({ write }) =>
    write('PRAGMA wal_autocheckpoint = 0', 'PRAGMA wal_checkpoint(PASSIVE)', rows(1)),
  )
  assert.equal(reason, undefined)
})

test('if the WAL restarts once and the last frame that the primary has read is overwritten, the primary writes a snapshot', async (t) => {
  const reason = await resume(t, ({ write }) =>
    write('PRAGMA wal_autocheckpoint = 0', 'PRAGMA wal_checkpoint(PASSIVE)', rows(1000)),
  )
  assert.equal(reason, 'the WAL was restarted, which overwrote the last frame that was read')
})

test('if the WAL restarts several times, the primary writes a snapshot', async (t) => {
  const again = ['PRAGMA wal_checkpoint(PASSIVE)', rows(1)]
  const reason = await resume(t, ({ write }) => write('PRAGMA wal_autocheckpoint = 0', ...again, ...again, ...again))
  assert.equal(reason, 'the WAL was restarted more than once, or deleted and created again')
})

test('if the WAL was copied into the database file and did not restart, the primary writes a snapshot, because a replaced database looks the same', async (t) => {
  const reason = await resume(t, ({ write }) => write('PRAGMA wal_checkpoint(RESTART)'))
  assert.equal(reason, 'the database file was written to although the WAL was not restarted')
})

test('after a TRUNCATE checkpoint, with or without later commits, the primary writes a snapshot', async (t) => {
  await t.test('after a TRUNCATE checkpoint without a later commit, the primary writes a snapshot', async (t) => {
    const reason = await resume(t, ({ write }) => write(rows(5), 'PRAGMA wal_checkpoint(TRUNCATE)'))
    assert.equal(reason, 'the WAL was removed or truncated by another process')
  })
  await t.test('after a TRUNCATE checkpoint with later commits, the primary writes a snapshot', async (t) => {
    const reason = await resume(t, ({ write }) => write(rows(5), 'PRAGMA wal_checkpoint(TRUNCATE)', rows(5)))
    assert.match(reason!, /^the WAL was restarted, (and|which)/)
  })
})

test('VACUUM is replicated as one large incremental transaction, even if VACUUM shrinks the database', async (t) => {
  const reason = await resume(t, ({ write }) =>
    write('PRAGMA wal_autocheckpoint = 0', rows(2000), 'DELETE FROM t WHERE id % 3 > 0', 'VACUUM', rows(10)),
  )
  assert.equal(reason, undefined)
})

for (const autoCheckpoint of [1, 5, 100_000]) {
  test(`with wal_autocheckpoint = ${autoCheckpoint}, the replica equals the database, whether or not a snapshot is needed`, async (t) => {
    const statements = [`PRAGMA wal_autocheckpoint = ${autoCheckpoint}`, ...ONE_EACH, ...ONE_EACH]
    const reason = await resume(t, ({ write }) => write(...statements))
    assert.equal(reason === undefined, autoCheckpoint === 100_000)
  })
}

test('if the close of the last application connection deletes the -wal, the primary writes a snapshot', async (t) => {
  assert.notEqual(await resume(t, ({ writeAndClose }) => writeAndClose(rows(5))), undefined)
})

test('if the -wal is deleted by hand, the primary writes a snapshot of the remaining database file', async (t) => {
  const reason = await resume(t, ({ file, write }) => {
    write('PRAGMA wal_checkpoint(PASSIVE)')
    rmSync(`${file}-wal`)
    rmSync(`${file}-shm`)
  })
  assert.equal(reason, 'the WAL was removed or truncated by another process')
})

test('if an older copy replaces the database, the primary writes a snapshot', async (t) => {
  const copyThenWrite = ({ file, dir, write, writeAndClose }: Downtime) => {
    writeAndClose('PRAGMA wal_checkpoint(TRUNCATE)')
    copyFileSync(file, path.join(dir, 'copy.db'))
    write(rows(500))
    for (const suffix of ['-wal', '-shm']) rmSync(file + suffix, { force: true })
  }
  await t.test('if an older copy is copied over the database, the primary writes a snapshot', async (t) => {
    const reason = await resume(t, (down) => {
      copyThenWrite(down)
      copyFileSync(path.join(down.dir, 'copy.db'), down.file)
    })
    assert.notEqual(reason, undefined)
  })
  await t.test('if an older copy is renamed over the database, the primary writes a snapshot', async (t) => {
    const reason = await resume(t, (down) => {
      copyThenWrite(down)
      renameSync(path.join(down.dir, 'copy.db'), down.file)
    })
    assert.equal(reason, 'the database file was replaced')
  })
  await t.test(
    'if an older copy is copied over the database and the old -wal remains, the primary writes a snapshot',
    async (t) => {
      const reason = await resume(t, ({ file, dir, write }) => {
        const copy = path.join(dir, 'copy.db')
        sql(file, [`VACUUM INTO '${copy}'`], true)
        write('PRAGMA wal_checkpoint(PASSIVE)')
        const wal = readFileSync(`${file}-wal`)
        copyFileSync(copy, file)
        writeFileSync(`${file}-wal`, wal)
        rmSync(`${file}-shm`, { force: true })
      })
      assert.equal(reason, 'the database file was written to although the WAL was not restarted')
    },
  )
})

test('if the database is deleted and created again, the primary writes a snapshot', async (t) => {
  const reason = await resume(t, ({ file, write }) => {
    for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix)
    write('PRAGMA journal_mode = wal', CREATE, rows(7))
  })
  assert.equal(reason, 'the database file has another identity')
})

test('if the journal mode changes from WAL to another mode and back, the primary writes a snapshot', async (t) => {
  const reason = await resume(t, ({ write }) =>
    write('PRAGMA journal_mode = delete', rows(5), 'PRAGMA journal_mode = wal', rows(5)),
  )
  assert.notEqual(reason, undefined)
})

test('if the page size changes, the primary writes a snapshot', async (t) => {
  const reason = await resume(t, ({ write }) =>
    write('PRAGMA journal_mode = delete', 'PRAGMA page_size = 8192', 'VACUUM', 'PRAGMA journal_mode = wal', rows(5)),
  )
  assert.equal(reason, 'the page size changed from 4096 to 8192')
})

test('if the state file is missing, damaged or belongs to another database, the primary writes a snapshot', async (t) => {
  await t.test('if the state file is deleted, the primary writes a snapshot', async (t) => {
    const reason = await resume(t, ({ meta }) => rmSync(path.join(meta, 'primary-state')))
    assert.equal(reason, 'the state file is missing')
  })
  await t.test('if the state file is damaged, the primary writes a snapshot', async (t) => {
    const reason = await resume(t, ({ meta }) => {
      const state = path.join(meta, 'primary-state')
      writeFileSync(
        state,
        readFileSync(state).map((byte) => (byte === 0x32 ? 0x33 : byte)),
      )
    })
    assert.match(reason!, /^the state file is damaged/)
  })
  await t.test(
    'if one slot of the state file is damaged, the primary uses the older slot, and proves the continuity from the WAL',
    async (t) => {
      const reason = await resume(t, ({ meta }) => {
        const state = path.join(meta, 'primary-state')
        const bytes = readFileSync(state)
        const serials = [bytes.subarray(0, 2048), bytes.subarray(2048)].map((slot) =>
          Number(/"serial":(\d+)/.exec(slot.toString())?.[1]),
        )
        bytes.fill(0x20, serials[0]! > serials[1]! ? 0 : 2048, serials[0]! > serials[1]! ? 2048 : 4096)
        writeFileSync(state, bytes)
      })
      assert.notEqual(reason, 'the state file is damaged')
    },
  )
  await t.test('if the state file belongs to another database, the primary writes a snapshot', async (t) => {
    const reason = await resume(t, ({ dir, meta }) => {
      const other = path.join(dir, 'other.db')
      sql(other, ['PRAGMA journal_mode = wal', CREATE, rows(50)], true)
      const script = new URL('../once-process.js', import.meta.url).pathname
      const run = spawnSync(process.execPath, [script, other, `file://${dir}/other-replica`], { encoding: 'utf8' })
      assert.equal(run.status, 0, run.stderr)
      copyFileSync(path.join(dir, '.other.db-litestream', 'primary-state'), path.join(meta, 'primary-state'))
    })
    assert.equal(reason, 'the database file has another identity')
  })
})

test('if staged files and the state file are deleted together, the primary writes a snapshot with a later TXID than the replica', async (t) => {
  const reason = await resume(t, ({ meta }) => rmSync(meta, { recursive: true }))
  assert.equal(reason, 'first sync')
})
