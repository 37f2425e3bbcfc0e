import { lstatSync, readlinkSync } from 'node:fs'
import path from 'node:path'

/** Maximum number of symbolic links that Linux follows in one path. */
const MOST_LINKS = 40

/**
 * The links found by the running code, which cannot wait: a process with thousands of databases in
 * one folder would otherwise look at the parts of its path ten times for each.
 */
const found = new Map<string, string | undefined>()

/**
 * `file` with every symbolic link resolved. Parts that do not exist yet or are not accessible stay
 * as written, and so does a loop of links. Never throws.
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
    return lstatSync(file).isSymbolicLink() ? readlinkSync(file) : undefined
  } catch {
    return undefined // it does not exist or is not accessible: only its path is known
  }
}
