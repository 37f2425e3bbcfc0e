import path from 'node:path'
import { realPathOf } from './real-path.js'

/** A path to which one part of a configuration writes. */
export interface Claim {
  /** The configured path; symbolic links are resolved for the comparison. */
  readonly path: string
  /** Whether the claim covers a folder with all of its contents, instead of one file. */
  readonly tree: boolean
  /** A description for messages, such as "the replica of /var/lib/app.db". */
  readonly what: string
}

/**
 * The form of a path in which two names of one file are equal: Windows and macOS ignore the case of
 * letters, and macOS the way in which accents are written. On a volume that does not, two names that
 * differ only in this count as an overlap, too.
 */
export function comparablePath(real: string, platform: NodeJS.Platform = process.platform): string {
  return platform === 'win32' || platform === 'darwin' ? real.normalize('NFC').toLowerCase() : real
}

/** Two claims for one path, or for a path inside a claimed folder. */
export interface Overlap {
  readonly claim: Claim
  readonly other: Claim
}

interface Held extends Claim {
  readonly owner: string
}

/** The folders above a path, the nearest first. */
function* foldersOf(real: string): Generator<string> {
  for (let at = real; at !== path.dirname(at); ) {
    at = path.dirname(at)
    yield at
  }
}

/**
 * The paths to which the parts of a process write. No two of them may overlap, because the parts
 * would overwrite or delete each other's files. Each operation takes one step per folder in a path,
 * however many claims are held.
 */
export class PathClaims {
  readonly #held = new Map<string, Held>()
  /** Number of claims below each folder. */
  readonly #below = new Map<string, number>()
  readonly #owned = new Map<string, string[]>()

  /**
   * Adds the claims of `owner`. Returns the first overlap, also among these claims; in that case it
   * adds none of them.
   */
  add(owner: string, claims: readonly Claim[]): Overlap | undefined {
    const added: string[] = []
    for (const claim of claims) {
      const real = comparablePath(realPathOf(claim.path))
      const other = this.#overlapping(real, claim.tree)
      if (other) {
        for (const each of added) this.#remove(each)
        return { claim, other }
      }
      this.#held.set(real, { ...claim, owner })
      for (const folder of foldersOf(real)) this.#below.set(folder, (this.#below.get(folder) ?? 0) + 1)
      added.push(real)
    }
    this.#owned.set(owner, [...(this.#owned.get(owner) ?? []), ...added])
    return undefined
  }

  /** Removes every claim of `owner`. */
  release(owner: string): void {
    for (const real of this.#owned.get(owner) ?? []) this.#remove(real)
    this.#owned.delete(owner)
  }

  #remove(real: string): void {
    if (!this.#held.delete(real)) return
    for (const folder of foldersOf(real)) {
      const left = this.#below.get(folder)! - 1
      if (left === 0) this.#below.delete(folder)
      else this.#below.set(folder, left)
    }
  }

  #overlapping(real: string, tree: boolean): Claim | undefined {
    const same = this.#held.get(real)
    if (same) return same
    for (const folder of foldersOf(real)) {
      const held = this.#held.get(folder)
      if (held?.tree) return held
    }
    if (!tree || !this.#below.has(real)) return undefined
    const inside = real.endsWith(path.sep) ? real : real + path.sep
    for (const [other, held] of this.#held) if (other.startsWith(inside)) return held
    return undefined
  }
}
