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
  /** URL of the replica. The URL contains no credentials. */
  url: text,
  pageSize: where(number, isPageSize, 'a page size'),
  /** Size of the database in pages at `txid`. */
  commit: where(number, isCommit, 'a size in pages'),
  txid: whole(1),
  /**
   * Identities of some LTX files of the replica at `txid`. The identities distinguish this replica
   * from another replica with the same TXIDs.
   */
  files: listOf(text),
  /**
   * The pages whose content in the local copy is their content at `txid`. The pages are encoded as
   * Base64 with one bit per page.
   */
  present: text,
  /**
   * Modification time of the local copy when it was closed, in milliseconds (absent while the local
   * copy is open, and after a crash).
   */
  closed: optional(number),
})

/**
 * Maximum size of a meta file in bytes. A meta file of this size can hold one bit per page of
 * SQLite's largest database in Base64.
 */
const MAX_SIZE = 1024 * 1024 * 1024

/** The content of the meta file `<path>.meta` of the hydration file `<path>`. */
export type HydrationMeta = Shaped<typeof shape>

export function metaPath(file: string): string {
  return `${file}.meta`
}

/**
 * Returns the content of a meta file. Returns undefined if the meta file does not exist or cannot
 * be parsed. Without a meta file, hydration begins with an empty local copy.
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
