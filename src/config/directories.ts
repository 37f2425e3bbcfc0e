import { readdirSync } from 'node:fs'
import path from 'node:path'
import { LitestreamError } from '../errors.js'
import { fsError, isErrno } from '../fs/fs-error.js'
import { isDatabaseFile } from '../primary/source/open-registry.js'
import { appendToUrl } from '../storage/append-to-url.js'
import { secretUrl } from '../storage/url.js'
import { globToRegExp } from '../util/glob.js'
import type { Config, DatabaseConfig, DirectoryConfig, ReplicaConfig } from './types.js'

function below(replica: ReplicaConfig, relative: string): ReplicaConfig {
  return { ...replica, url: secretUrl(appendToUrl(replica.url.reveal(), relative)) }
}

/**
 * Returns the configuration of the database `file`, which was found in the directory of the entry
 * `directory`.
 */
export function databaseInDirectory(directory: DirectoryConfig, file: string): DatabaseConfig {
  const { dir, pattern: _, recursive: _r, watch: _w, metaPath, metaDir, replica, ...settings } = directory
  const relative = path.relative(dir, file)
  const meta = metaDir
    ? path.join(metaDir, `${relative}-litestream`)
    : metaPath && path.join(metaPath, path.dirname(relative), `.${path.basename(relative)}-litestream`)
  return {
    ...settings,
    path: file,
    ...(meta ? { metaPath: meta } : {}),
    replica: below(replica, relative),
    mirrors: settings.mirrors.map((mirror) => ({ ...mirror, replica: below(mirror.replica, relative) })),
  }
}

/** Returns whether `name` is the name of a state folder. Scans skip state folders. */
export function isMetaDirectory(name: string): boolean {
  return name.endsWith('-litestream')
}

/** Returns whether a path that is relative to a folder leads out of this folder. */
function isOutside(relative: string): boolean {
  return relative === '..' || relative.startsWith(`..${path.sep}`)
}

/**
 * Returns whether the directory entry contains the path `file`, according to its folder and
 * pattern.
 */
export function matchesDirectory(directory: DirectoryConfig, file: string): boolean {
  const relative = path.relative(directory.dir, file)
  if (isOutside(relative) || (!directory.recursive && relative.includes(path.sep))) return false
  if (relative.split(path.sep).some(isMetaDirectory)) return false
  return globToRegExp(directory.pattern).test(path.basename(file))
}

/** In file names, Node.js replaces bytes that are not UTF-8 by U+FFFD. */
const NOT_UTF8 = '\ufffd'

/**
 * A file or folder that a scan could not read. Databases in an unreadable folder are not
 * replicated.
 */
export interface ScanFault {
  readonly path: string
  readonly error: LitestreamError
}

/** The result of scanning a directory for databases. The databases are ordered by path. */
export interface DirectoryScan {
  readonly databases: readonly DatabaseConfig[]
  /** The folders that the scan has read, including the scanned directory itself. */
  readonly folders: readonly string[]
  readonly faults: readonly ScanFault[]
}

/**
 * Scans a directory for databases. If a file or folder cannot be read, records a fault and
 * continues the scan. Does not follow symbolic links to folders. Never throws.
 */
export function scanDirectory(directory: DirectoryConfig): DirectoryScan {
  const files: string[] = []
  const folders: string[] = []
  const faults: ScanFault[] = []
  const attempt = (path: string, look: () => void) => {
    try {
      look()
    } catch (error) {
      // If a file was deleted during the scan, its ENOENT error is not a fault. If the name is not
      // UTF-8, ENOENT is a fault, because Node.js cannot access the existing file.
      if (isErrno(error, 'ENOENT') && path !== directory.dir && !path.includes(NOT_UTF8)) return
      faults.push({ path, error: fsError(error, 'reading', path) })
    }
  }
  const walk = (folder: string) => {
    const entries = readdirSync(folder, { withFileTypes: true })
    folders.push(folder)
    for (const entry of entries) {
      const full = path.join(folder, entry.name)
      attempt(full, () => {
        if (entry.isDirectory()) {
          if (directory.recursive && !isMetaDirectory(entry.name)) walk(full)
        } else if (matchesDirectory(directory, full) && isDatabaseFile(full)) files.push(full)
      })
    }
  }
  attempt(directory.dir, () => walk(directory.dir))
  return { databases: files.sort().map((file) => databaseInDirectory(directory, file)), folders, faults }
}

/**
 * Returns the databases of all database entries and directory scans of a configuration, and the
 * faults of the scans.
 */
export function findDatabases(config: Config): {
  readonly databases: DatabaseConfig[]
  readonly faults: ScanFault[]
} {
  const scans = config.directories.map((directory) => ({ directory, ...scanDirectory(directory) }))
  const faults = scans.flatMap((scan) => [...scan.faults, ...emptyFaults(scan.directory, scan)])
  const all = [...config.databases, ...scans.flatMap(({ databases }) => databases)]
  // If several entries contain the same database, the first of these entries is used.
  const once = new Map(all.toReversed().map((database) => [database.path, database] as const))
  return { databases: [...once.values()].toReversed(), faults }
}

/**
 * Returns a fault if a directory contains no database and is not watched, because nothing in it
 * would be replicated.
 */
export function emptyFaults(directory: DirectoryConfig, scan: DirectoryScan): ScanFault[] {
  if (directory.watch || scan.databases.length > 0 || scan.faults.length > 0) return []
  const error = new LitestreamError(
    'NOT_FOUND',
    `no SQLite databases found in directory ${directory.dir} with pattern ${directory.pattern}`,
    {
      file: directory.dir,
      hint: 'Correct `pattern`, set `recursive: true`, or set `watch: true` to wait for databases to appear.',
    },
  )
  return [{ path: directory.dir, error }]
}
