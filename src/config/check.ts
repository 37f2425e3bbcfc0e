import { accessSync, constants, statSync } from 'node:fs'
import path from 'node:path'
import { LitestreamError, toLitestreamError } from '../errors.js'
import { fsError, isErrno } from '../fs/fs-error.js'
import { isDatabaseFile } from '../primary/source/open-registry.js'
import { checkReplicaClient } from '../storage/open.js'
import { splitCommand } from '../util/split-command.js'
import { concealCommand } from './concealed.js'
import { clientOptions } from './open-configured-replica.js'
import type { Config, DatabaseConfig, ReplicaConfig } from './types.js'

/**
 * Returns the errors that a process with this configuration would report at its start, before it
 * sends a request to a store. Checks replica URLs, settings, files that settings name, the program
 * of `exec`, and database files. Changes no files.
 */
export async function configFaults(config: Config): Promise<LitestreamError[]> {
  const { databases, directories, exec } = config
  const replicas = [...databases, ...directories].map(({ replica }) => replica)
  const faults = await Promise.all([
    ...distinctReplicas(replicas).map((replica) => faultOf(() => checkReplica(replica))),
    ...databases.map((database) => faultOf(async () => checkDatabase(database))),
    ...databases.filter(({ lease }) => lease).map((database) => faultOf(() => checkLease(database))),
    ...(exec ? [faultOf(async () => checkCommand(exec.reveal()))] : []),
  ])
  return faults.filter((fault) => fault !== undefined)
}

async function faultOf(check: () => Promise<void>): Promise<LitestreamError | undefined> {
  try {
    await check()
    return undefined
  } catch (error) {
    return toLitestreamError(error)
  }
}

/**
 * Returns each replica once. Databases of one directory entry have the same settings, so a fault of
 * the settings would otherwise be reported once per database.
 */
function distinctReplicas(replicas: readonly ReplicaConfig[]): ReplicaConfig[] {
  return [...new Map(replicas.map((replica) => [replica.url.reveal(), replica] as const)).values()]
}

async function checkReplica(replica: ReplicaConfig): Promise<void> {
  await checkReplicaClient(replica.url.reveal(), clientOptions(replica))
}

/**
 * Throws if the store is known to lack the conditional writes that a lease needs. Ignores other
 * errors of the replica client, because checkReplica reports these errors.
 */
async function checkLease({ path: database, replica }: DatabaseConfig): Promise<void> {
  const known = await checkReplicaClient(replica.url.reveal(), clientOptions(replica)).catch(() => undefined)
  if (known === undefined || (known.createOnly && known.compareAndSet)) return
  throw new LitestreamError(
    'CONFIG_INVALID',
    `${database}: \`lease: true\` needs conditional writes, and ${known.reason}`,
    { file: database, hint: 'Remove `lease`, or use a store that enforces conditional writes (docs/storage.md).' },
  )
}

/**
 * Throws if the database file exists and is not a writable SQLite database. A missing database file
 * is allowed, because replication waits for the file.
 */
function checkDatabase({ path: file, metaPath }: DatabaseConfig): void {
  const stats = statOf(file)
  if (stats && !stats.isFile()) {
    throw new LitestreamError(
      'DATABASE_INVALID',
      `${file} is ${stats.isDirectory() ? 'a directory' : 'not a regular file'}`,
      {
        file,
        hint: 'Give the path of a database file. To replicate every database of a directory, set `dir` in the configuration.',
      },
    )
  }
  if (stats) {
    access(file, constants.R_OK | constants.W_OK)
    access(path.dirname(file), constants.R_OK | constants.W_OK | constants.X_OK)
    if (stats.size > 0 && !isDatabaseFile(file)) {
      throw new LitestreamError('DATABASE_INVALID', `${file}: not an SQLite database`, {
        file,
        hint: 'Give the path of an SQLite database file. An encrypted database cannot be replicated.',
      })
    }
  }
  const meta = metaPath === undefined ? undefined : statOf(metaPath)
  if (meta && !meta.isDirectory()) {
    throw new LitestreamError('CONFIG_INVALID', `meta-path ${metaPath} is not a directory`, {
      file: metaPath,
      hint: 'Set `meta-path` to a directory, or to a path that does not exist yet.',
    })
  }
}

/** Returns the result of stat, or undefined if the path does not exist. */
function statOf(file: string) {
  try {
    return statSync(file)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw fsError(error, 'reading', file)
  }
}

function access(file: string, mode: number): void {
  try {
    accessSync(file, mode)
  } catch (error) {
    throw fsError(error, 'opening', file)
  }
}

/**
 * Throws if the program of `exec` does not exist or is not executable. The error message omits the
 * arguments of the program, because the arguments may be secret.
 */
function checkCommand(line: string): void {
  const [program] = splitCommand(line)
  const hint = 'Write `sh -c "…"` for pipes and variables: litestream-ts starts the program without a shell.'
  if (program === undefined || program === '') {
    throw new LitestreamError('INVALID_ARGUMENT', 'the command of exec is empty', { hint })
  }
  const places = program.includes('/')
    ? [path.resolve(program)]
    : (process.env.PATH ?? '').split(path.delimiter).map((folder) => path.join(folder, program))
  if (places.some(isExecutable)) return
  throw new LitestreamError('INVALID_ARGUMENT', `exec: ${concealCommand(line)} is not a program that can be started`, {
    hint,
  })
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false // as if it did not exist: another folder of PATH may have it
  }
}
