import { open, readFile, rename } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { fsError, isErrno } from '../../../fs/fs-error.js'

const schema = z.object({
  version: z.literal(1),
  /** The replica, without credentials. */
  url: z.string(),
  pageSize: z.number(),
  /** Pages of the database at `txid`. */
  commit: z.number(),
  txid: z.number(),
  /** Identities of files of the replica that were in use: what tells one history from another. */
  files: z.array(z.string()),
  /** Base64 of a bit a page: those whose content in the local copy is that of `txid`. */
  present: z.string(),
})

/** What stands in `<path>.meta` beside a hydrated file. */
export type HydrationMeta = z.infer<typeof schema>

export function metaPath(file: string): string {
  return `${file}.meta`
}

/** Undefined where there is none, or none that can be read: hydration then begins from nothing. */
export async function readMeta(file: string): Promise<HydrationMeta | undefined> {
  let text: string
  try {
    text = await readFile(metaPath(file), 'utf8')
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

/** Replaces the meta file at once and durably. */
export async function writeMeta(file: string, meta: HydrationMeta): Promise<void> {
  try {
    await replaceMeta(file, meta)
  } catch (error) {
    throw fsError(error, 'writing', metaPath(file))
  }
}

async function replaceMeta(file: string, meta: HydrationMeta): Promise<void> {
  const temporary = `${metaPath(file)}.tmp`
  const handle = await open(temporary, 'w', 0o600)
  try {
    await handle.writeFile(`${JSON.stringify(meta)}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, metaPath(file))
  const directory = await open(path.dirname(file))
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
