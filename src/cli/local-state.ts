import { existsSync } from 'node:fs'
import path from 'node:path'
import { LitestreamError } from '../errors.js'
import { filesBelow, removeBelow } from '../fs/remove-tree.js'
import { parseFileName } from '../ltx/file-name.js'
import { isTemporary, metaDirectory } from '../primary/sync/staging.js'

/** Files and folders that a primary keeps beside a database. */
const STATE = 'primary-state'
const LTX = 'ltx'

export interface DeleteStateOptions {
  /** The state folder; undefined for the default beside the database. */
  readonly metaPath?: string | undefined
  /** Delete nothing. */
  readonly dryRun?: boolean | undefined
}

/**
 * Deletes the local replication state of a database: the state file and the staged LTX files. Other
 * files of the state folder stay. Returns the deleted files and their total size in bytes. Throws
 * NOT_FOUND if neither the database nor the folder exists.
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
