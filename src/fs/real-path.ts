import { lstatSync, readlinkSync } from 'node:fs'
import path from 'node:path'

/** As many symbolic links as Linux follows in one path. */
const MOST_LINKS = 40

/**
 * `file` with every symbolic link resolved, also where its last parts do not exist yet or may not be looked at: those stay as they
 * are written. A loop of links stays as it is, too. Never throws.
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
  try {
    return lstatSync(file).isSymbolicLink() ? readlinkSync(file) : undefined
  } catch {
    return undefined // it does not exist, or may not be looked at: its path is all that is known
  }
}
