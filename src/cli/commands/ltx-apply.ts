import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { LitestreamError } from '../../errors.js'
import { renameDurably } from '../../fs/durable.js'
import { fsError, isErrno } from '../../fs/fs-error.js'
import { streamRegular } from '../../fs/open-regular.js'
import { applyOwnership, ownershipOf } from '../../fs/owner.js'
import { removeFile } from '../../fs/remove.js'
import { resolveTarget } from '../../fs/target.js'
import { createTemporary } from '../../fs/temporary.js'
import { createCommand } from '../command.js'
import { withQuietDatabase } from '../database-file.js'
import { LtxApplier } from '../ltx-applier.js'
import { print, printJson } from '../output.js'

interface ApplyFlags {
  readonly db: string
  readonly json?: boolean
}

export function ltxApplyCommand(): Command {
  return createCommand('apply', {
    summary: 'Apply LTX files to a database file.',
    description:
      'Writes the pages of LTX files to a database, in the given order. If the database does not exist, the first file must be a snapshot. Each file must continue the file before it; if a file has checksums, the command compares them with the database. The command replaces the database after it has applied all files; after an error the database is unchanged. The database must be closed and must have no changes in its WAL.',
    examples: [
      ['ltx apply -db app.db a.ltx b.ltx', 'apply a.ltx, then b.ltx'],
      ['ltx apply -db app.db -json a.ltx', '{"db_path", "files", "page_size", "pages", "max_txid"}'],
    ],
  })
    .argument('<file...>', 'local LTX files, the oldest first')
    .requiredOption('--db <file>', 'database file')
    .option('--json', 'print JSON')
    .action(async (files: string[], { db, json }: ApplyFlags) => {
      const { path: target, stats } = await resolveTarget(db)
      const exists = stats !== undefined && stats.size > 0
      const state = exists
        ? await withQuietDatabase(target, () => replace(target, files, true))
        : await replace(target, files, false)
      if (json) printJson({ db_path: db, files: files.length, ...state })
      else print(`applied ${files.length} files to ${db}: TXID ${state.max_txid}, ${state.pages} pages`)
    })
}

/** Applies the LTX files to a temporary copy of the database, and renames the copy to `target`. */
async function replace(target: string, files: readonly string[], exists: boolean) {
  const temporary = await createTemporary(target, exists ? 0o600 : 0o666).catch((error) => {
    throw fsError(error, 'creating a file beside', target)
  })
  const { handle, path } = temporary
  try {
    if (exists) for await (const chunk of streamRegular(target, 1 << 20)) await handle.writeFile(chunk)
    else await refuseLeftovers(target)
    const applier = new LtxApplier(handle, target, exists)
    for (const file of files) await applier.apply(file)
    await applier.sync()
    if (exists) await applyOwnership(handle, ownershipOf(await stat(target)), 'file')
    await renameDurably(path, target)
    return applier.state()
  } catch (error) {
    await removeFile(path)
    throw fsError(error, 'writing', target)
  } finally {
    await handle.close()
  }
}

/**
 * Throws if the WAL or the journal of a deleted database exists, because SQLite would apply the old
 * WAL or journal to the new database.
 */
async function refuseLeftovers(target: string): Promise<void> {
  for (const suffix of ['-wal', '-shm', '-journal']) {
    try {
      await stat(target + suffix)
    } catch (error) {
      if (isErrno(error, 'ENOENT')) continue
      throw error
    }
    throw new LitestreamError('OUTPUT_EXISTS', `${target}${suffix} is left over from an earlier database`, {
      file: target + suffix,
      hint: `Move ${target}${suffix} to another folder: otherwise SQLite would apply this file to the new database.`,
    })
  }
}
