import { existsSync } from 'node:fs'
import path from 'node:path'
import { LitestreamError } from '../errors.js'
import { filesBelow, removeBelow } from '../fs/remove-tree.js'
import { parseFileName } from '../ltx/file-name.js'
import { isTemporary, metaDirectory } from '../primary/sync/staging.js'

/**
 * The state file and the folder of staged files, which are the parts of the state folder that a
 * primary writes.
 */
const STATE = 'primary-state'
const LTX = 'ltx'

export interface DeleteStateOptions {
  /** Path of the state folder (default `.<database>-litestream` in the folder of the database). */
  readonly metaPath?: string | undefined
  /** Whether the function only lists the files, without deleting them. */
  readonly dryRun?: boolean | undefined
}

/**
 * Deletes the state file and the staged LTX files of a database. Keeps other files in the state
 * folder. Returns the deleted files and their total size in bytes. Throws NOT_FOUND if neither the
 * database nor the state folder exists.
 */
export async function deleteLocalState(
  database: string,
  { metaPath, dryRun = false }: DeleteStateOptions = {},
): Promise<{ doomed: string[]; bytes: number }> {
  const meta = metaDirectory(database, metaPath)
  if (!existsSync(database) && !existsSync(meta)) {
    throw new LitestreamError('NOT_FOUND', `database does not exist: ${database}`, {
      file: database,
      hint: 'Check the path.',
    })
  }
  const ltx = path.join(meta, LTX)
  const isLtx = (name: string) => parseFileName(name) !== undefined || isTemporary(name)
  const files = [...(await filesBelow(ltx, isLtx, 1)), ...(await filesBelow(meta, (name) => name === STATE, 0))]
  const doomed = [ltx, path.join(meta, STATE)].filter((name) => existsSync(name))
  const bytes = files.reduce((sum, { size }) => sum + size, 0)
  if (!dryRun) {
    await removeBelow(
      ltx,
      files.map(({ file }) => file),
    )
  }
  return { doomed, bytes }
}
