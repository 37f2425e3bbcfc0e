import { LitestreamError } from '../../errors.js'
import type { PrimaryDatabase } from '../sync/primary-database.js'

/**
 * The error for a database that is no longer replicated because another primary wrote to its
 * replica.
 */
export function fencedError(database: string, url: string, reason: string, cause?: unknown): LitestreamError {
  return new LitestreamError('REPLICA_FENCED', `${database} is no longer replicated to ${url}: ${reason}`, {
    file: url,
    ...(cause === undefined ? {} : { cause }),
    hint:
      'Only one primary may write to a replica. Stop the other primary and run `litestream-ts reset` for this database, or choose ' +
      'another replica URL for this primary.',
  })
}

/**
 * The error for a replica with files that this primary did not write. A user may delete these
 * files. The next check therefore decides whether the primary uploads a snapshot.
 */
export function foreignFiles(url: string, reason: string): LitestreamError {
  return new LitestreamError('REPLICA_RESET', `${url} was changed by another program: ${reason}`, {
    file: url,
    hint:
      'Check whether the replica was replaced, or whether another primary writes to the replica. If the change is not undone within a minute, ' +
      'this primary uploads a snapshot of the database.',
  })
}

/**
 * The error if another program deletes staged files repeatedly. The program also deleted each
 * staged snapshot that replaced the missing files.
 */
export function unsteadyStaging({ path, staging }: PrimaryDatabase): LitestreamError {
  return new LitestreamError(
    'STORAGE_FAILED',
    `${path}: another program deletes staged files before the primary uploads them`,
    {
      file: staging.directory,
      hint: 'Find and stop the program that deletes files in the state folder of the database.',
    },
  )
}
