import type { ErrorCode } from './errors.js'

/**
 * The hint for each error code. If an error is thrown with its own hint, the hint of its code is
 * not used.
 */
export const HINTS: Readonly<Record<ErrorCode, string>> = {
  LTX_CORRUPT:
    'Run `litestream-ts verify` on the replica, then write a new snapshot (`litestream-ts replicate -once -force-snapshot DB URL`).',
  LTX_GAP:
    'Run `litestream-ts verify` on the replica, then write a new snapshot (`litestream-ts replicate -once -force-snapshot DB URL`).',
  TXID_NOT_AVAILABLE:
    'Run `litestream-ts ltx -level all` on the replica to list the TXIDs and times that can be restored.',
  PAGE_SIZE_MISMATCH:
    'Write a snapshot with the new page size: `litestream-ts replicate -once -force-snapshot DB URL`.',
  INVALID_URL: 'Correct the replica URL; docs/storage.md lists the forms.',
  NOT_FOUND: 'Check that the file, folder or object exists, and correct the path or the URL.',
  ACCESS_DENIED: 'Check the credentials of the store, and the permissions of the file or bucket.',
  PRECONDITION_FAILED: 'Make sure that only one primary writes to the replica.',
  THROTTLED: 'Wait before you repeat the operation, or raise the request limit of the store.',
  DESCRIPTOR_LIMIT: 'Raise the limit of open files: `ulimit -n`, or LimitNOFILE= in the systemd unit.',
  UNAVAILABLE: 'Check that the store is running and that this machine can reach the store, then repeat the operation.',
  TIMEOUT: 'Check that the store is running and that this machine can reach the store, then repeat the operation.',
  ABORTED:
    'Start the operation again if you still need its result: the caller, a signal or a shutdown cancelled the operation.',
  STORAGE_FAILED:
    'Read the reply of the store in the error message, and check the replica with `litestream-ts verify`.',
  DISK_FULL: 'Free space on the disk that is full.',
  DATABASE_INVALID: 'Check the database with `PRAGMA integrity_check`.',
  DATABASE_BUSY: 'End the transaction that holds the lock on the database, or raise `busy-timeout`.',
  DATABASE_REPLACED: 'Restart the replication: call replicate() again, or restart the `replicate` command.',
  DATABASE_SHARED:
    'Replicate from a separate process (`litestream-ts replicate`), or set `driver` to the SQLite driver that the application uses.',
  WAL_CORRUPT: 'Check the disk for errors: replication continues automatically with a snapshot.',
  WRITE_DISABLED: 'Open the replica for writing: add write_enabled=true to its URI, or set the `write` option.',
  WRITE_CONFLICT: 'Repeat the transaction from its beginning.',
  LEASE_HELD: 'Wait until the other writer ends or its lease expires, or set a busy timeout (`PRAGMA busy_timeout`).',
  BUFFER_DAMAGED: 'Run `litestream-ts buffer show FILE`, export the readable commits, then discard the buffer.',
  COMMIT_UNKNOWN: 'Before you repeat the transaction, query the database to see whether the transaction was committed.',
  REPLICA_FENCED: 'Stop the other primary, or choose another replica URL for this primary.',
  REPLICA_DIVERGED:
    'Restore the database from its replica, or run `litestream-ts acknowledge` to replicate the existing database.',
  REPLICA_EMPTY: 'Check the replica URL, and check that the primary is running.',
  REPLICA_RESET: 'Open the replica again to read its new contents.',
  REPLICA_STALE:
    'Check that this machine can reach the store. Reads of the replica resume after the next successful poll.',
  REPLICA_CLOSED: 'Open the replica again before you use it.',
  PAGE_TIMEOUT: 'Check that the store responds, or raise `read_timeout`.',
  PAGE_UNAVAILABLE: 'End the transaction and read in a new transaction, which reads the newest state.',
  WORKER_EXITED: 'Repeat the call: the replica worker is restarted automatically.',
  WORKER_THREAD_READ: 'Read the replica from another thread; the replica worker cannot read through the VFS.',
  HYDRATION_CONFLICT: 'Choose another `hydration_path`, or end the process that uses this `hydration_path`.',
  OUTPUT_EXISTS: 'Choose another output path, or replace the existing file with -force.',
  OUTPUT_BUSY: 'Wait until the other process has ended, or choose another output path.',
  INTEGRITY_CHECK_FAILED: 'Restore an earlier state of the database with -timestamp or -txid.',
  CONFIG_INVALID: 'Correct the configuration file. `litestream-ts config check` lists the errors in the file.',
  INVALID_ARGUMENT: 'Correct the argument. With the flag -h, a command prints its syntax.',
  NATIVE_MISSING: 'Reinstall litestream-ts, or compile the addon with `litestream-ts build-addon`.',
  DRIVER_MISSING: 'Use Node.js 22.13 or later, or install better-sqlite3.',
  DECRYPTION_FAILED: 'Set `encryption.identities` or LITESTREAM_AGE_IDENTITIES to the identity of a recipient.',
  PACKAGE_MISSING: 'Install the package that the message names beside litestream-ts.',
  INTERNAL: 'This is a bug in litestream-ts. Run the command again with LOG_LEVEL=debug and report the output.',
}
