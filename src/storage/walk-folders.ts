import { LitestreamError } from '../errors.js'
import { throwIfAborted } from '../util/abort.js'
import { runAll } from '../util/run-all.js'

/** One folder of a store, at or below a prefix. */
export interface StoreFolder {
  /** Whether the folder itself contains the files of a replica. */
  readonly isReplica: boolean
  /**
   * Names of the subfolders as the store reports them, except those that belong to the replica in
   * this folder.
   */
  readonly folders: readonly string[]
}

/** Number of folders that a walk lists in parallel. */
const CONCURRENCY = 16
/**
 * Maximum number of folders that one walk lists. The store may have any number of unrelated folders
 * below the prefix.
 */
const MAX_FOLDERS = 100_000
const MAX_DEPTH = 64

/**
 * Yields the replicas at and below a prefix, breadth first. A replica is given by its path relative
 * to the prefix, which is "" for the prefix itself. `list` reads one folder. walkReplicas() does
 * not check the paths, although a store may report names such as "..". Throws STORAGE_FAILED if the
 * store has more than 100,000 folders below the prefix, or more than 64 nested folders.
 */
export async function* walkReplicas(
  list: (relative: string) => Promise<StoreFolder>,
  { what, signal }: { readonly what: string; readonly signal: AbortSignal | undefined },
): AsyncGenerator<string> {
  let level = ['']
  let visited = 0
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) throw tooMany(what, `more than ${MAX_DEPTH} folders inside each other`)
    const next: string[] = []
    for (let i = 0; i < level.length; i += CONCURRENCY) {
      throwIfAborted(signal, what)
      const batch = level.slice(i, i + CONCURRENCY)
      const found = new Map<string, StoreFolder>()
      await runAll(
        CONCURRENCY,
        batch.map((relative) => async () => {
          found.set(relative, await list(relative))
        }),
      )
      for (const relative of batch) {
        const { isReplica, folders } = found.get(relative)!
        if (isReplica) yield relative
        visited += folders.length
        if (visited > MAX_FOLDERS) throw tooMany(what, `more than ${MAX_FOLDERS} folders`)
        // The walk skips a folder without a name, because no URL can name such a folder.
        for (const name of folders.filter((name) => name !== '')) next.push(depth === 0 ? name : `${relative}/${name}`)
      }
    }
    level = next
  }
}

function tooMany(what: string, count: string): LitestreamError {
  return new LitestreamError('STORAGE_FAILED', `${what} failed: the store has ${count} below this URL`, {
    hint: 'Give a URL with a longer prefix, below which there are fewer folders.',
  })
}

/**
 * Reads one folder of a store in which replicas have the layout of Litestream. The folder counts as
 * a replica if it contains `ltx/<level>`, or `generations` of Litestream 0.3. `foldersIn` returns
 * the names of the subfolders of a folder below the prefix.
 */
export async function storeFolder(
  relative: string,
  foldersIn: (relative: string) => Promise<readonly string[]>,
): Promise<StoreFolder> {
  const names = await foldersIn(relative)
  const inLtx = names.includes('ltx') ? await foldersIn(relative === '' ? 'ltx' : `${relative}/ltx`) : []
  const isCurrent = inLtx.some((name) => /^[0-9]$/.test(name))
  const isLegacy = names.includes('generations')
  const own = (name: string) => (name === 'ltx' && isCurrent) || (name === 'generations' && isLegacy)
  return { isReplica: isCurrent || isLegacy, folders: names.filter((name) => !own(name)) }
}
