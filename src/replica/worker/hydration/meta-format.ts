import { writeDurably } from '../../../fs/durable.js'
import { fsError, isErrno } from '../../../fs/fs-error.js'
import { readRegular } from '../../../fs/open-regular.js'
import { ownershipLike } from '../../../fs/owner.js'
import { isCommit, isPageSize } from '../../../ltx/format.js'
import {
  listOf,
  literal,
  number,
  optional,
  record,
  type Shaped,
  text,
  tryReadJson,
  where,
  whole,
} from '../../../util/json-shape.js'

const shape = record({
  version: literal(1),
  /** URL of the replica, without credentials. */
  url: text,
  pageSize: where(number, isPageSize, 'a page size'),
  /** Pages of the database at `txid`. */
  commit: where(number, isCommit, 'a size in pages'),
  txid: whole(1),
  /**
   * Identities of files of the replica that were in use: they distinguish one history from another.
   */
  files: listOf(text),
  /** Base64 of one bit per page: the pages whose content in the local copy is that of `txid`. */
  present: text,
  /**
   * Modification time of the local copy when it was closed, in ms; absent while it is open, and
   * after a crash.
   */
  closed: optional(number),
})

/** Large enough for one bit per page of SQLite's largest database, in base64. Bytes. */
const MAX_SIZE = 1024 * 1024 * 1024

/** Content of `<path>.meta` beside a hydration file. */
export type HydrationMeta = Shaped<typeof shape>

export function metaPath(file: string): string {
  return `${file}.meta`
}

/**
 * Undefined if the file does not exist or cannot be parsed: hydration then begins with an empty
 * copy.
 */
export async function readMeta(file: string): Promise<HydrationMeta | undefined> {
  let json: string
  try {
    json = (await readRegular(metaPath(file), MAX_SIZE)).toString('utf8')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw fsError(error, 'reading', metaPath(file))
  }
  return tryReadJson(shape, json)
}

/**
 * Replaces the meta file atomically and durably. The meta file gets the owner and mode of the local
 * copy.
 */
export async function writeMeta(file: string, meta: HydrationMeta): Promise<void> {
  try {
    const ownership = await ownershipLike(file)
    const options = ownership ? { ownership } : {}
    await writeDurably(metaPath(file), Buffer.from(`${JSON.stringify(meta)}\n`), options)
  } catch (error) {
    throw fsError(error, 'writing', metaPath(file))
  }
}
