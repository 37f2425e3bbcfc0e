import { lstat } from 'node:fs/promises'
import path from 'node:path'
import { databaseInDirectory, findDatabases, matchesDirectory } from '../../config/directories.js'
import { expandPath } from '../../config/expand-path.js'
import { clientOptions } from '../../config/open-configured-replica.js'
import type { Config, DatabaseConfig, DirectoryConfig } from '../../config/types.js'
import { isLitestreamError, LitestreamError, toLitestreamError } from '../../errors.js'
import { fsError, isErrno } from '../../fs/fs-error.js'
import { appendToUrl } from '../../storage/append-to-url.js'
import type { OpenReplicaClientOptions } from '../../storage/open.js'
import { nameFault, replicasBelow } from '../../storage/replicas-below.js'
import { parseReplicaUrl, secretUrl } from '../../storage/url.js'
import type { Secret } from '../../util/secret.js'

/**
 * The hint for a replica below a URL prefix if the replica cannot be restored to the path that its
 * name implies.
 */
const RESTORE_ALONE = 'Restore this replica alone, to a path of your choice: `litestream-ts restore -o FILE URL`.'

/** A replica, and the path of the file to which it is restored. */
export interface RestoreTask {
  readonly url: Secret
  readonly options: OpenReplicaClientOptions
  readonly output: string
}

/** A replica or a URL prefix that cannot be restored. `source` is the URL without secrets. */
export interface RestoreFault {
  readonly source: string
  readonly output: string | undefined
  readonly error: LitestreamError
}

export interface FoundReplicas {
  readonly tasks: readonly RestoreTask[]
  readonly faults: readonly RestoreFault[]
}

/**
 * Finds the replicas of a configuration. The result contains the replicas of configured databases,
 * and of databases in the directories of directory entries. The result also contains the replicas
 * that the stores of directory entries list. A store that cannot be listed is a fault of its
 * directory entry.
 */
export async function replicasOfConfig(config: Config, signal: AbortSignal): Promise<FoundReplicas> {
  const { databases, faults: scanFaults } = findDatabases(config)
  const tasks = new Map(databases.map((database) => [database.path, taskOf(database)]))
  const faults: RestoreFault[] = scanFaults
    // A missing or empty directory is not a fault, because lost files are the usual reason for a
    // restore.
    .filter(({ error }) => !isLitestreamError(error, 'NOT_FOUND'))
    .map(({ path: file, error }) => ({ source: file, output: file, error }))
  for (const directory of config.directories) {
    const found = await replicasOfDirectory(directory, signal)
    faults.push(...found.faults)
    for (const task of found.tasks) if (!tasks.has(task.output)) tasks.set(task.output, task)
  }
  return { tasks: [...tasks.values()], faults }
}

function taskOf({ path: file, replica }: DatabaseConfig): RestoreTask {
  return { url: replica.url, options: clientOptions(replica, file), output: file }
}

async function replicasOfDirectory(directory: DirectoryConfig, signal: AbortSignal): Promise<FoundReplicas> {
  const { url } = directory.replica
  return sortOut(
    String(url),
    directory.dir,
    () => replicasBelow(url.reveal(), { ...clientOptions(directory.replica), signal }),
    (relative) => {
      const file = path.join(directory.dir, relative)
      return relative !== '' && matchesDirectory(directory, file)
        ? taskOf(databaseInDirectory(directory, file))
        : undefined
    },
  )
}

/**
 * Finds every replica at and below a URL. Each replica is restored to a file below `folder` with
 * the same relative path.
 */
export async function replicasOfPrefix(text: string, folder: string, signal: AbortSignal): Promise<FoundReplicas> {
  const root = expandPath(folder)
  const url = secretUrl(text)
  const sorted = await sortOut(
    String(url),
    root,
    () => replicasBelow(text, { signal }),
    (relative) => {
      if (relative !== '') {
        return { url: secretUrl(appendToUrl(text, relative)), options: {}, output: path.join(root, relative) }
      }
      return { url, options: {}, output: path.join(root, lastName(text)) }
    },
  )
  const [only] = sorted.faults
  if (only?.source === String(url) && sorted.tasks.length === 0) throw only.error
  const found = withoutCollisions(sorted)
  if (found.tasks.length + found.faults.length > 0) return found
  throw new LitestreamError('REPLICA_EMPTY', `no replica below ${url}`, {
    hint: 'Give the URL of a folder or prefix below which at least one replica exists.',
  })
}

/**
 * Removes each replica whose output file equals, or is below, the output file of another replica.
 * Adds a fault for each removed replica. Otherwise the restore of such a replica would find the
 * output of the other replica and skip the restore or (with `force`) overwrite the output.
 */
function withoutCollisions({ tasks, faults }: FoundReplicas): FoundReplicas {
  const byOutput = new Map<string, RestoreTask[]>()
  for (const task of tasks) byOutput.set(task.output, [...(byOutput.get(task.output) ?? []), task])
  const collisionOf = (task: RestoreTask): RestoreTask | undefined => {
    const same = byOutput.get(task.output)!.find((other) => other !== task)
    if (same) return same
    for (let folder = path.dirname(task.output); folder !== path.dirname(folder); folder = path.dirname(folder)) {
      const file = byOutput.get(folder)?.[0]
      if (file) return file
    }
    return undefined
  }
  const left: RestoreTask[] = []
  const refusals: RestoreFault[] = []
  for (const task of tasks) {
    const other = collisionOf(task)
    if (other) refusals.push({ source: String(task.url), output: task.output, error: collision(task, other) })
    else left.push(task)
  }
  return { tasks: left, faults: [...faults, ...refusals] }
}

function collision(task: RestoreTask, other: RestoreTask): LitestreamError {
  const message =
    task.output === other.output
      ? `${task.url} and ${other.url} would both be restored to ${task.output}`
      : `${task.url} would be restored to ${task.output}, below the database of ${other.url}`
  return new LitestreamError('INVALID_ARGUMENT', message, {
    file: task.output,
    hint: RESTORE_ALONE,
  })
}

/**
 * Returns the database name for a replica at exactly this URL. Throws INVALID_ARGUMENT if the last
 * part of the URL cannot be a file name.
 */
function lastName(url: string): string {
  const location = parseReplicaUrl(url)
  const whole =
    location.type === 'nats'
      ? location.prefix || (location.bucket ?? '')
      : 'bucket' in location && (location.path === '.' || location.path === '')
        ? location.bucket
        : 'path' in location
          ? location.path
          : ''
  const name = path.posix.basename(whole)
  const fault = nameFault(name)
  if (fault === undefined) return name
  throw refused(name, fault)
}

async function sortOut(
  source: string,
  root: string,
  list: () => Promise<readonly string[]>,
  toTask: (relative: string) => RestoreTask | undefined,
): Promise<FoundReplicas> {
  const tasks: RestoreTask[] = []
  const faults: RestoreFault[] = []
  let found: readonly string[]
  try {
    found = await list()
  } catch (error) {
    return { tasks, faults: [{ source, output: root, error: toLitestreamError(error) }] }
  }
  for (const relative of found) {
    try {
      const fault = relative === '' ? undefined : nameFault(relative)
      if (fault) throw refused(relative, fault)
      const task = toTask(relative)
      if (!task) continue
      await refuseLinkedFolder(root, task.output)
      tasks.push(task)
    } catch (error) {
      const shown = relative === '' ? source : `${source} ${JSON.stringify(relative.slice(0, 200))}`
      faults.push({ source: shown, output: undefined, error: toLitestreamError(error) })
    }
  }
  return { tasks, faults }
}

function refused(relative: string, fault: string): LitestreamError {
  return new LitestreamError(
    'INVALID_ARGUMENT',
    `the store lists a replica with the name ${JSON.stringify(relative.slice(0, 200))}, which ${fault}`,
    { hint: RESTORE_ALONE },
  )
}

/** Throws if a symbolic link below `root` would cause a restore to write outside `root`. */
async function refuseLinkedFolder(root: string, output: string): Promise<void> {
  const names = path.relative(root, path.dirname(output)).split(path.sep).filter(Boolean)
  for (let i = 1; i <= names.length; i++) {
    const folder = path.join(root, ...names.slice(0, i))
    try {
      if (!(await lstat(folder)).isSymbolicLink()) continue
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return
      throw fsError(error, 'restoring below', folder)
    }
    throw new LitestreamError(
      'INVALID_ARGUMENT',
      `${folder} is a symbolic link, and -all does not restore through symbolic links`,
      {
        file: folder,
        hint: RESTORE_ALONE,
      },
    )
  }
}
