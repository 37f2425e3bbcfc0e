import path from 'node:path'
import { formatFileName, parseFileName } from '../ltx/file-name.js'
import { SNAPSHOT_LEVEL } from '../ltx/format.js'
import { formatTxid } from '../ltx/txid.js'
import type { LtxFileRef } from './replica-client.js'

/**
 * Returns `ltx/<level>`, the folder of a level in file and NATS replicas. The folder is relative to
 * the folder or prefix of the replica.
 */
export function levelDirectory(level: number): string {
  return `ltx/${level}`
}

/** Returns `ltx/<level>/<min>-<max>.ltx`. */
export function relativeName(file: LtxFileRef): string {
  return `${levelDirectory(file.level)}/${formatFileName(file.minTxid, file.maxTxid)}`
}

/**
 * Returns the part before `ltx/` of the keys of a replica in gs or abs. keyPrefix() normalises the
 * path of the URL and removes slashes at both ends. The result is "" if the replica is the bucket
 * itself. Litestream builds the keys of its replicas in gs and abs in the same way.
 */
export function keyPrefix(urlPath: string): string {
  return path.posix.normalize(`/${urlPath}`).replace(/\/$/, '').replace(/^\//, '')
}

/**
 * Returns `<path>/<level as 4 hex digits>/` with an unchanged path. With an empty path, keys begin
 * with "/". With the path "." (that of `s3://bucket`), keys begin with `./0000/`. Litestream writes
 * the same keys.
 */
export function s3LevelPrefix(path: string, level: number): string {
  return `${path}/${s3Level(level)}/`
}

function s3Level(level: number): string {
  return level.toString(16).padStart(4, '0')
}

export function s3Key(path: string, file: LtxFileRef): string {
  return s3LevelPrefix(path, file.level) + formatFileName(file.minTxid, file.maxTxid)
}

/**
 * Returns the file with this S3 key, or undefined if the key is not that of an LTX file. Returns
 * 'beyond' for a key that sorts after the keys of all levels.
 */
export function parseS3Key(path: string, key: string): LtxFileRef | undefined | 'beyond' {
  const [level, name] = key.slice(path.length + 1).split('/')
  if (level > s3Level(SNAPSHOT_LEVEL)) return 'beyond'
  const range = name === undefined ? undefined : parseFileName(name)
  return range && /^[0-9a-f]{4}$/.test(level) ? { level: Number.parseInt(level, 16), ...range } : undefined
}

/**
 * Returns the start name for a listing of the files whose min TXID is at least `fromTxid`. The
 * resulting name sorts before the names of these files, and after the names of all other files.
 */
export function firstName(fromTxid: number): string {
  return formatTxid(fromTxid)
}

/**
 * Compares two files by min TXID, then by max TXID. Every listing of files has the order of
 * compareFiles().
 */
export function compareFiles(a: LtxFileRef, b: LtxFileRef): number {
  return a.minTxid - b.minTxid || a.maxTxid - b.maxTxid
}
