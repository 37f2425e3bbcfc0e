import { z } from 'zod'
import { writeDurably } from '../../../fs/durable.js'
import { fsError, isErrno } from '../../../fs/fs-error.js'
import { readRegular } from '../../../fs/open-regular.js'
import { ownershipLike } from '../../../fs/owner.js'
import { isCommit, isPageSize } from '../../../ltx/format.js'

const schema = z.object({
  version: z.literal(1),
  /** The replica, without credentials. */
  url: z.string(),
  pageSize: z.number().refine(isPageSize),
  /** Pages of the database at `txid`. */
  commit: z.number().refine(isCommit),
  txid: z.int().positive(),
  /** Identities of files of the replica that were in use: what tells one history from another. */
  files: z.array(z.string()),
  /** Base64 of a bit a page: those whose content in the local copy is that of `txid`. */
  present: z.string(),
  /** Modification time of the copy, ms, when it was closed; absent while it is open, and after a crash. */
  closed: z.number().optional(),
})

/** A bit a page of the largest database of SQLite, in base64, fits. Bytes. */
const MAX_SIZE = 1024 * 1024 * 1024

/** What stands in `<path>.meta` beside a hydrated file. */
export type HydrationMeta = z.infer<typeof schema>

export function metaPath(file: string): string {
  return `${file}.meta`
}

/** Undefined where there is none, or none that can be read: hydration then begins from nothing. */
export async function readMeta(file: string): Promise<HydrationMeta | undefined> {
  let text: string
  try {
    text = (await readRegular(metaPath(file), MAX_SIZE)).toString('utf8')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw fsError(error, 'reading', metaPath(file))
  }
  try {
    return schema.parse(JSON.parse(text))
  } catch {
    return undefined
  }
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
