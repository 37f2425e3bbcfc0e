import { checkArgument, text } from '../../util/check-arguments.js'
import type { ReplicaPoolOptions } from './pool-options.js'
import type { ReplicaPool } from './replica-pool.js'

/**
 * Creates a pool of the read replicas below one URL prefix. A pool is for programs with many
 * databases. The pool opens a replica when the program acquires the replica, and sends no request
 * for the replica before. All replicas of a process share one worker thread. All replicas in one
 * store share the connections to this store.
 *
 * @throws INVALID_URL if the URL is not a valid replica URL, and INVALID_ARGUMENT if an option is
 * invalid.
 *
 * @example
 * const pool = await openReplicas('s3://bucket', { maxOpen: 50, cacheSize: '256MiB' })
 * const users = await pool.use('app.db', (replica) => {
 *   const db = new Database(replica.uri, { readonly: true })
 *   const rows = db.prepare('SELECT id, name FROM users').all()
 *   db.close()
 *   return rows
 * })
 * console.log(users.length, pool.stats())
 * await pool.close()
 */
export async function openReplicas(prefix: string, options: ReplicaPoolOptions = {}): Promise<ReplicaPool> {
  checkArgument(prefix, 'prefix', text, 'openReplicas')
  // A program that opens single replicas does not load the code of a pool.
  const { ReplicaPool } = await import('./replica-pool.js')
  return new ReplicaPool(prefix, options)
}
