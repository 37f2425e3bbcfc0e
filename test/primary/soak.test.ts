// A busy writer, checkpointed and compacted as in earnest but faster, and restored from every few
// moments. In the gate some seconds; longer: `LITESTREAM_SOAK_SECONDS=600 npm test --
// primary/soak`.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { restore } from '../../src/restore/restore.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'
import { App, assertAppState } from './app.js'
import { PrimaryChild } from './primary-child.js'

const SECONDS = Number(process.env.LITESTREAM_SOAK_SECONDS ?? 8)
/** At least so many, however busy the machine is. */
const RESTORES = 5
const MIB = 1024 * 1024

test(`while a writer is busy for ${SECONDS} s, concurrent restores are consistent, and the WAL, disk use and memory stay bounded`, async (t) => {
  const dir = temporaryDirectory(t)
  const url = `file://${dir}/replica`
  const meta = path.join(dir, 'meta')
  const app = new App(t, path.join(dir, 'app.db'))
  const second = 1000
  const primary = new PrimaryChild(t, app.file, url, {
    metaPath: meta,
    minCheckpointPages: 500,
    monitorInterval: 50,
    syncInterval: 50,
    compaction: {
      levels: [
        { level: 1, interval: second },
        { level: 2, interval: 3 * second },
        { level: 3, interval: 10 * second },
      ],
      snapshot: { interval: 5 * second, retention: 5 * second },
      l0Retention: 3 * second,
      l0RetentionCheckInterval: second,
      retentionEnabled: true,
    },
  })
  app.start({ pause: 1 })
  await primary.waitFor('upload', 3)
  const client = await openReplicaClient(url)
  t.after(() => client.close())
  const output = path.join(dir, 'restored.db')
  const memory: number[] = []
  const most = { wal: 0, disk: 0, replica: 0 }
  const end = Date.now() + SECONDS * 1000
  let restores = 0
  let last = 0
  for (; Date.now() < end || restores < RESTORES; restores++) {
    const acknowledged = app.last
    await until('what was committed before is in the replica', async () => {
      await restore(client, { output, integrityCheck: 'none' })
      const commit = assertAppState(output)
      for (const suffix of ['', '-wal', '-shm']) rmSync(output + suffix, { force: true })
      assert.ok(commit >= last, `commit ${commit} after ${last}`)
      last = commit
      return commit >= acknowledged
    })
    most.wal = Math.max(most.wal, statSync(`${app.file}-wal`).size)
    most.disk = Math.max(most.disk, sizeOf(meta))
    most.replica = Math.max(most.replica, sizeOf(path.join(dir, 'replica')))
    memory.push(residentOf(primary.pid))
    await delay(100)
  }
  await app.stop()
  await primary.sync()
  const heads = memory.slice(0, Math.ceil(memory.length / 2))
  const tails = memory.slice(Math.floor(memory.length / 2))
  t.diagnostic(
    `${restores} restores, ${app.last} commits, at most: WAL ${mib(most.wal)}, staged ${mib(most.disk)}, replica ` +
      `${mib(most.replica)}, memory ${mib(Math.max(...heads))} in the first half, ${mib(Math.max(...tails))} in the second`,
  )
  assert.ok(most.wal < 32 * MIB, `a WAL of ${mib(most.wal)}`)
  assert.ok(most.disk < 80 * MIB, `${mib(most.disk)} of staged files`)
  assert.ok(Math.max(...tails) < Math.max(...heads) + 64 * MIB, 'its memory grows')
  assert.deepEqual(primary.of('error'), [])
  assert.deepEqual(
    primary.of('sync').flatMap(({ snapshotReason }) => (snapshotReason === undefined ? [] : [snapshotReason])),
    ['first sync'],
  )
  assert.ok(primary.of('retention').length > 0 && primary.of('compaction').some(({ level }) => level === 2))
  assert.equal(await primary.stop(), 0)
})

const mib = (bytes: number) => `${(bytes / MIB).toFixed(1)} MiB`

/** Bytes of all files below `directory`. */
function sizeOf(directory: string): number {
  let sum = 0
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    // A file may be deleted while this is counted.
    sum += statSync(path.join(entry.parentPath ?? entry.path, entry.name), { throwIfNoEntry: false })?.size ?? 0
  }
  return sum
}

/** Resident memory of a process, bytes; 0 where the system does not tell so. */
function residentOf(pid: number): number {
  if (process.platform !== 'linux') return 0
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
}
