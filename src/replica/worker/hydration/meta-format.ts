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
  /** The replica, without credentials. */
  url: text,
  pageSize: where(number, isPageSize, 'a page size'),
  /** Pages of the database at `txid`. */
  commit: where(number, isCommit, 'a size in pages'),
  txid: whole(1),
  /** Identities of files of the replica that were in use: what tells one history from another. */
  files: listOf(text),
  /** Base64 of a bit a page: those whose content in the local copy is that of `txid`. */
  present: text,
  /** Modification time of the copy, ms, when it was closed; absent while it is open, and after a crash. */
  closed: optional(number),
})

/** A bit a page of the largest database of SQLite, in base64, fits. Bytes. */
const MAX_SIZE = 1024 * 1024 * 1024

/** What stands in `<path>.meta` beside a hydrated file. */
export type HydrationMeta = Shaped<typeof shape>

export function metaPath(file: string): string {
  return `${file}.meta`
}

/** Undefined where there is none, or none that can be read: hydration then begins from nothing. */
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

/** Replaces the meta file at once and durably. It has the owner and mode of the copy. */
export async function writeMeta(file: string, meta: HydrationMeta): Promise<void> {
  try {
    const ownership = await ownershipLike(file)
    const options = ownership ? { ownership } : {}
    await writeDurably(metaPath(file), Buffer.from(`${JSON.stringify(meta)}\n`), options)
  } catch (error) {
    throw fsError(error, 'writing', metaPath(file))
  }
}
