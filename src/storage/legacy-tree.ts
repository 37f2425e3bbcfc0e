import type { LegacyObject } from './replica-client.js'

/** The folders of a generation. */
const KINDS = ['snapshots', 'wal'] as const

/** An entry of a folder of a store that has folders. */
export interface FolderEntry {
  readonly name: string
  readonly isFile: boolean
  readonly size: number
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  readonly mode?: number
}

/**
 * What Litestream 0.3 left in a folder: `generations/<16 hex digits>/{snapshots,wal}/<file>`, of which the names begin with `prefix`. No
 * other folder is entered. `entries` lists a folder by its name relative to the replica; one that does not exist has none.
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
      // A folder that cannot hold such a name is not listed.
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
