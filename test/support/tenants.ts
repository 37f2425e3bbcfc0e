import { cpSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'
import { openReplicas } from '../../src/replica/pool/open-replicas.js'
import type { ReplicaPoolOptions } from '../../src/replica/pool/pool-options.js'
import type { ReplicaPool } from '../../src/replica/pool/replica-pool.js'
import { cleanUp } from './clean-up.js'
import { makeSource, type Source } from './replica.js'
import { temporaryDirectory } from './temporary-directory.js'

export interface Tenants {
  /** The folder with the replicas. */
  readonly folder: string
  readonly prefix: string
  readonly source: Source
  readonly names: readonly string[]
}

/** A folder with `count` replicas of one database: `tenant-0/app.db`, `tenant-1/app.db` and so on. */
export async function makeTenants(t: TestContext, count: number): Promise<Tenants> {
  const source = await makeSource(t)
  await source.history.commit("CREATE TABLE t (v TEXT); INSERT INTO t VALUES ('a'), ('b')")
  const folder = path.join(temporaryDirectory(t), 'tenants')
  mkdirSync(folder)
  const names = Array.from({ length: count }, (_, i) => `tenant-${i}/app.db`)
  for (const name of names) {
    cpSync(source.files, path.join(folder, name), { recursive: true, preserveTimestamps: true })
  }
  return { folder, prefix: pathToFileURL(folder).href, source, names }
}

/** A pool that is closed when the test ends. */
export async function openTestPool(
  t: TestContext,
  prefix: string,
  options: ReplicaPoolOptions = {},
): Promise<ReplicaPool> {
  const pool = await openReplicas(prefix, { pollInterval: 50, acquireTimeout: '5m', ...options })
  cleanUp(t, () => pool.close())
  return pool
}
