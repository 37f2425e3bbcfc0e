import type { LegacyObject } from './replica-client.js'

/** The two folders that the folder of a generation contains. */
const KINDS = ['snapshots', 'wal'] as const

/** An entry in a folder of a store that has real folders. */
export interface FolderEntry {
  readonly name: string
  readonly isFile: boolean
  readonly size: number
  /** Time of the entry's last modification, in milliseconds since the epoch. */
  readonly createdAt: number
  readonly mode?: number
}

/**
 * Lists the files of Litestream 0.3 in a store with real folders. The files of Litestream 0.3 have
 * names of the form `generations/<16 hex digits>/{snapshots,wal}/<file>`. Yields only names that
 * begin with `prefix`. Reads only folders that can contain such names. `entries` lists a folder,
 * whose path is relative to the replica. `entries` yields nothing for a folder that does not exist.
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
      // Skips a folder that cannot contain names beginning with `prefix`.
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
