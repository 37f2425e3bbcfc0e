import { lstatSync, readlinkSync } from 'node:fs'
import path from 'node:path'

/** Maximum number of symbolic links that Linux follows in one path. */
const MOST_LINKS = 40

/**
 * Resolved links, cached until the current synchronous code ends. Without the cache, a process with
 * thousands of databases in one folder would read each part of the folder's path ten times per
 * database.
 */
const found = new Map<string, string | undefined>()

/**
 * Resolves every symbolic link in `file`. Parts of the path that do not exist or are not accessible
 * stay unchanged. A loop of links leaves the whole path unchanged. Never throws.
 */
export function realPathOf(file: string): string {
  let links = 0
  let real = path.parse(path.resolve(file)).root
  let rest = path.resolve(file).slice(real.length).split(path.sep).filter(Boolean)
  while (rest.length > 0) {
    const [name, ...others] = rest
    const next = path.join(real, name!)
    const target = linkAt(next)
    if (target === undefined) {
      real = next
      rest = others
    } else {
      if (++links > MOST_LINKS) return path.resolve(file)
      const absolute = path.resolve(real, target)
      real = path.parse(absolute).root
      rest = [...absolute.slice(real.length).split(path.sep).filter(Boolean), ...others]
    }
  }
  return real
}

function linkAt(file: string): string | undefined {
  if (found.has(file)) return found.get(file)
  if (found.size === 0) queueMicrotask(() => found.clear())
  const target = readLink(file)
  found.set(file, target)
  return target
}

function readLink(file: string): string | undefined {
  try {
    // Most parts of a claimed path do not exist yet, and an exception takes ten times as long as the
    // system call.
    return lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() ? readlinkSync(file) : undefined
  } catch {
    return undefined // it is not accessible: only its path is known
  }
}
