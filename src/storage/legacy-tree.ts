import type { LegacyObject } from './replica-client.js'

/** The folders of a generation. */
const KINDS = ['snapshots', 'wal'] as const

/** An entry of a folder in a store with folders. */
export interface FolderEntry {
  readonly name: string
  readonly isFile: boolean
  readonly size: number
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  readonly mode?: number
}

/**
 * Files of Litestream 0.3 in a folder: `generations/<16 hex digits>/{snapshots,wal}/<file>` whose
 * names begin with `prefix`. No other folder is read. `entries` lists a folder by its name relative
 * to the replica; a missing folder has none.
 */
export async function* legacyTree(
  prefix: string,
  entries: (folder: string) => AsyncIterable<FolderEntry>,
): AsyncGenerator<LegacyObject> {
  const generations: string[] = []
  for await (const { name, isFile } of entries('generations')) {
    if (!isFile && /^[0-9a-f]{16}$/.test(name)) generations.push(name)
  }
  for (const generation of generations) {
    for (const kind of KINDS) {
      const folder = `generations/${generation}/${kind}`
      // Skips folders that cannot contain such a name.
      if (!`${folder}/`.startsWith(prefix) && !prefix.startsWith(`${folder}/`)) continue
      for await (const { name, isFile, size, createdAt, mode } of entries(folder)) {
        const object = `${folder}/${name}`
        if (isFile && object.startsWith(prefix)) {
          yield { name: object, size, createdAt, ...(mode === undefined ? {} : { mode }) }
        }
      }
    }
  }
}
