import { readdirSync } from 'node:fs'
import path from 'node:path'
import { LitestreamError } from '../errors.js'
import { hasSqliteMagic } from '../primary/source/open-registry.js'
import { secretUrl } from '../storage/url.js'
import { globToRegExp } from '../util/glob.js'
import type { Config, DatabaseConfig, DirectoryConfig } from './types.js'

/** `url` one path further down, its query kept. */
export function appendToUrl(url: string, relative: string): string {
  const query = url.indexOf('?')
  const base = query < 0 ? url : url.slice(0, query)
  const suffix = relative.split(path.sep).map(encodeURIComponent).join('/')
  return `${base.replace(/\/+$/, '')}/${suffix}${query < 0 ? '' : url.slice(query)}`
}

/** The configuration of one database that was found in a directory. */
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
    replica: { ...replica, url: secretUrl(appendToUrl(replica.url.reveal(), relative)) },
  }
}

/** Whether `file` is one the directory entry is about, by its place and name. */
export function matchesDirectory(directory: DirectoryConfig, file: string): boolean {
  const relative = path.relative(directory.dir, file)
  if (relative.startsWith('..') || (!directory.recursive && relative.includes(path.sep))) return false
  // Litestream keeps its own files in directories of this name; its LTX files are no databases, but a search there is for nothing.
  if (relative.split(path.sep).some((part) => part.endsWith('-litestream'))) return false
  return globToRegExp(directory.pattern).test(path.basename(file))
}

/** The databases there are in a directory now. Throws where the directory cannot be read. */
export function databasesInDirectory(directory: DirectoryConfig): DatabaseConfig[] {
  let names: string[]
  try {
    names = readdirSync(directory.dir, { recursive: directory.recursive, encoding: 'utf8' })
  } catch (cause) {
    throw new LitestreamError('NOT_FOUND', `cannot read the directory ${directory.dir}: ${(cause as Error).message}`, {
      cause,
      file: directory.dir,
      hint: 'Create it, or correct `dir` in the configuration.',
    })
  }
  return names
    .map((name) => path.join(directory.dir, name))
    .filter((file) => matchesDirectory(directory, file) && hasSqliteMagic(file))
    .sort()
    .map((file) => databaseInDirectory(directory, file))
}

/** All databases of a configuration: its entries, then what its directories hold now. Throws if two share a place for local files. */
export function findDatabases(config: Config): DatabaseConfig[] {
  const found = config.directories.flatMap((directory) => {
    const databases = databasesInDirectory(directory)
    if (databases.length === 0 && !directory.watch) {
      throw new LitestreamError(
        'NOT_FOUND',
        `no SQLite databases found in directory ${directory.dir} with pattern ${directory.pattern}`,
        {
          file: directory.dir,
          hint: 'Correct `pattern`, set `recursive: true`, or set `watch: true` to wait for databases to appear.',
        },
      )
    }
    return databases
  })
  const all = [...config.databases, ...found]
  const owners = new Map<string, string>()
  for (const { path: file, metaPath } of all) {
    if (!metaPath) continue
    const owner = owners.get(metaPath)
    if (owner !== undefined && owner !== file) {
      throw new LitestreamError(
        'CONFIG_INVALID',
        `${owner} and ${file} would both keep their local files in ${metaPath}`,
        {
          file: config.file,
          hint: 'Give each its own `meta-path`.',
        },
      )
    }
    owners.set(metaPath, file)
  }
  const once = new Map(all.map((database) => [database.path, database] as const))
  return [...once.values()]
}
