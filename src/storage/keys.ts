import path from 'node:path'
import { formatFileName, parseFileName } from '../ltx/file-name.js'
import { SNAPSHOT_LEVEL } from '../ltx/format.js'
import { formatTxid } from '../ltx/txid.js'
import type { LtxFileRef } from './replica-client.js'

/** `ltx/<level>`: the folder of a level in file and NATS replicas, below their root or prefix. */
export function levelDirectory(level: number): string {
  return `ltx/${level}`
}

/** `ltx/<level>/<min>-<max>.ltx` */
export function relativeName(file: LtxFileRef): string {
  return `${levelDirectory(file.level)}/${formatFileName(file.minTxid, file.maxTxid)}`
}

/**
 * The part before `ltx/` in the keys of gs and abs, from the path of a URL: cleaned, without a
 * slash at either end; "" if the replica is the bucket itself. Litestream joins these keys in the
 * same way.
 */
export function keyPrefix(urlPath: string): string {
  return path.posix.normalize(`/${urlPath}`).replace(/\/$/, '').replace(/^\//, '')
}

/**
 * `<path>/<level as 4 hex digits>/`. The path is used unchanged: an empty one gives keys that begin
 * with "/", and "." (the path of `s3://bucket`) gives `./0000/…`, as in Litestream's buckets.
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
 * The file with this key; undefined if it is not an LTX file, 'beyond' for a key that sorts after
 * every level.
 */
export function parseS3Key(path: string, key: string): LtxFileRef | undefined | 'beyond' {
  const [level, name] = key.slice(path.length + 1).split('/')
  if (level > s3Level(SNAPSHOT_LEVEL)) return 'beyond'
  const range = name === undefined ? undefined : parseFileName(name)
  return range && /^[0-9a-f]{4}$/.test(level) ? { level: Number.parseInt(level, 16), ...range } : undefined
}

/**
 * A name that sorts before every file name with a min TXID of at least `fromTxid` and after all
 * others, for the start of a listing.
 */
export function firstName(fromTxid: number): string {
  return formatTxid(fromTxid)
}

/** The order of every listing: by min TXID, then by max TXID. */
export function compareFiles(a: LtxFileRef, b: LtxFileRef): number {
  return a.minTxid - b.minTxid || a.maxTxid - b.maxTxid
}
