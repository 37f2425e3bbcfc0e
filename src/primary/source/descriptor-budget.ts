import { readFileSync } from 'node:fs'
import { LitestreamError } from '../../errors.js'
import { isErrno } from '../../fs/fs-error.js'

/**
 * Descriptors of an opened database: two connections with the database file and its -wal each, the
 * -shm, the -wal once more to read it, and the state file.
 */
const DESCRIPTORS_PER_DATABASE = 7

/**
 * Descriptors that databases leave to the rest of the process: uploads, connections to stores,
 * listeners, restores, Node.js.
 */
const DESCRIPTOR_RESERVE = 96

/**
 * Number of databases whose files stay open while nothing is committed. Beyond it, the files of idle
 * databases are closed (sync/rest.ts), so that the descriptors of a process are bounded by what its
 * busy databases need.
 */
const KEPT_OPEN = 48

/** A database beyond KEPT_OPEN stays open for this long after its last change, in milliseconds. */
const IDLE_MS = 10_000

let databases = 0
/** Number of databases that are replicated, also those whose files are closed. */
let started = 0
let limit: number | undefined

/**
 * RLIMIT_NOFILE of this process; infinite if the system does not report it (all but Linux). Node.js
 * raises it to the hard limit.
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

/** Number of databases whose files stay open while nothing is committed. */
function kept(): number {
  const most = Math.floor((descriptorLimit() - DESCRIPTOR_RESERVE) / DESCRIPTORS_PER_DATABASE)
  return Math.min(KEPT_OPEN, Math.floor(most / 3))
}

/** Number of databases that may be opened for the first time in parallel. */
export function firstOpenings(): number {
  return Math.max(1, kept())
}

/** Counts a replicated database until the returned function is called. */
export function noteStart(): () => void {
  started++
  let counted = true
  return () => {
    if (counted) started--
    counted = false
  }
}

/** Whether a database that is idle when its replication starts should not be opened. */
export function beginsResting(): boolean {
  return started > kept()
}

/** Whether so many databases are open that idle ones are closed immediately. */
export function isCrowded(): boolean {
  return databases > 2 * kept()
}

/**
 * Whether the files of an open database should be closed, which had no change for `idleMs`
 * milliseconds.
 */
export function shouldRest(idleMs: number): boolean {
  return databases > kept() && (idleMs >= IDLE_MS || isCrowded())
}

/**
 * Counts the descriptors of a database that is about to be opened. Returns a function that gives
 * them back. Throws DESCRIPTOR_LIMIT if they would be taken from the reserve: without it, uploads
 * and health checks of all databases would fail.
 */
export function takeDescriptors(file: string): () => void {
  const most = descriptorLimit()
  const needed = (databases + 1) * DESCRIPTORS_PER_DATABASE + DESCRIPTOR_RESERVE
  if (needed > most) {
    throw new LitestreamError(
      'DESCRIPTOR_LIMIT',
      `${file} needs ${DESCRIPTORS_PER_DATABASE} file descriptors, but ${databases} open databases of this process use ${databases * DESCRIPTORS_PER_DATABASE}, ${DESCRIPTOR_RESERVE} are reserved, and the limit is ${most}`,
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
