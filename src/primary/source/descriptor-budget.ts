import { readFileSync } from 'node:fs'
import { LitestreamError } from '../../errors.js'
import { isErrno } from '../../fs/fs-error.js'

/**
 * Number of file descriptors of an opened database. Each of two connections has two descriptors
 * (database file and -wal), and the -shm, the -wal that the primary reads itself, and the state
 * file have one descriptor each.
 */
const DESCRIPTORS_PER_DATABASE = 7

/**
 * Number of file descriptors that databases must not use, because uploads, connections to stores,
 * listeners, restores and Node.js need them.
 */
const DESCRIPTOR_RESERVE = 96

/**
 * Number of databases whose files may stay open while the databases are idle. If more databases
 * than this number are open, the primary closes the files of idle databases
 * (sync/primary-database.ts).
 */
const KEPT_OPEN = 48

/**
 * If more than KEPT_OPEN databases are open, the primary closes the files of a database IDLE_MS
 * milliseconds after the latest change of the database.
 */
const IDLE_MS = 10_000

let databases = 0
/** Number of replicated databases, including databases whose files are closed. */
let started = 0
let limit: number | undefined

/**
 * Returns RLIMIT_NOFILE of this process, which Node.js raises to the hard limit. Returns infinity
 * if the system does not report the limit (every system but Linux).
 */
function descriptorLimit(): number {
  limit ??= readLimit()
  return limit
}

function readLimit(): number {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return Number.POSITIVE_INFINITY
    throw error
  }
}

/** Returns the number of databases whose files may stay open while the databases are idle. */
function kept(): number {
  const most = Math.floor((descriptorLimit() - DESCRIPTOR_RESERVE) / DESCRIPTORS_PER_DATABASE)
  return Math.min(KEPT_OPEN, Math.floor(most / 3))
}

/** Number of databases that may be opened for the first time in parallel. */
export function firstOpenings(): number {
  return Math.max(1, kept())
}

/**
 * Adds a database to the number of replicated databases. The returned function subtracts the
 * database again.
 */
export function noteStart(): () => void {
  started++
  let counted = true
  return () => {
    if (counted) started--
    counted = false
  }
}

/** Whether the files of an idle database stay closed when its replication starts. */
export function beginsResting(): boolean {
  return started > kept()
}

/**
 * Whether the files of idle databases must be closed immediately, because too many databases are
 * open.
 */
export function isCrowded(): boolean {
  return databases > 2 * kept()
}

/**
 * Whether the files of an open database should be closed if the database has not changed for
 * `idleMs` milliseconds.
 */
export function shouldRest(idleMs: number): boolean {
  return databases > kept() && (idleMs >= IDLE_MS || isCrowded())
}

/**
 * Reserves the file descriptors of a database that is about to be opened. Returns a function that
 * releases the reserved descriptors. Throws DESCRIPTOR_LIMIT if fewer than DESCRIPTOR_RESERVE
 * descriptors would be left, because the uploads and health checks of all databases would then
 * fail.
 */
export function takeDescriptors(file: string): () => void {
  const most = descriptorLimit()
  const needed = (databases + 1) * DESCRIPTORS_PER_DATABASE + DESCRIPTOR_RESERVE
  if (needed > most) {
    throw new LitestreamError(
      'DESCRIPTOR_LIMIT',
      `${file} needs ${DESCRIPTORS_PER_DATABASE} file descriptors, but the limit of this process is ${most}: ${databases} open databases use ${databases * DESCRIPTORS_PER_DATABASE} file descriptors, and ${DESCRIPTOR_RESERVE} are reserved`,
      {
        file,
        hint: `Raise the limit of open files to ${needed} or more: \`ulimit -n\`, or LimitNOFILE= in the systemd unit.`,
      },
    )
  }
  databases++
  let taken = true
  return () => {
    if (taken) databases--
    taken = false
  }
}
