import { LitestreamError } from '../../errors.js'
import type { PrimaryDatabase } from '../sync/primary-database.js'

/** Says which database is not replicated any more, where to, and what the other primary wrote. */
export function fencedError(database: string, url: string, reason: string, cause?: unknown): LitestreamError {
  return new LitestreamError('REPLICA_FENCED', `${database} is not replicated to ${url} any more: ${reason}`, {
    file: url,
    ...(cause === undefined ? {} : { cause }),
    hint:
      'Only one primary may write to a replica. Stop the other one and run `litestream-ts reset` for this database, or give it a ' +
      'replica of its own.',
  })
}

/** The replica holds files that this primary did not write; it may be put back, so the next check decides. */
export function foreignFiles(url: string, reason: string): LitestreamError {
  return new LitestreamError('REPLICA_RESET', `${url} is not as this primary left it: ${reason}`, {
    file: url,
    hint:
      'Check whether another replica was put in its place, or another primary writes to it. If neither is undone within a minute, ' +
      'a snapshot of the database follows.',
  })
}

/** Each snapshot that should have replaced missing staged files went missing, too. */
export function unsteadyStaging({ path, staging }: PrimaryDatabase): LitestreamError {
  return new LitestreamError('STORAGE_FAILED', `${path}: staged files vanish before they are uploaded`, {
    file: staging.directory,
    hint: 'Find the program that deletes files in the state folder.',
  })
}
