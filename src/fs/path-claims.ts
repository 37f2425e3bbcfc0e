import path from 'node:path'
import { realPathOf } from './real-path.js'

/** A path that one part of a configuration writes to. */
export interface Claim {
  /** As it is configured; symbolic links in it are resolved when it is compared. */
  readonly path: string
  /** The folder with everything below it, rather than one file. */
  readonly tree: boolean
  /** For a message, such as "the replica of /var/lib/app.db". */
  readonly what: string
}

/** Two claims for one path, or a path inside the folder of another part. */
export interface Overlap {
  readonly claim: Claim
  readonly other: Claim
}

interface Held extends Claim {
  readonly owner: string
}

/**
 * The paths that the parts of a process write to. No two of them may overlap: they would overwrite or delete each other's files.
 * The look-up costs one step for each folder on the way to a path, however many claims are held.
 */
export class PathClaims {
  readonly #held = new Map<string, Held>()

  /** Holds the claims for `owner`, or returns the first overlap, among themselves included, and holds none of them. */
  add(owner: string, claims: readonly Claim[]): Overlap | undefined {
    const added: string[] = []
    for (const claim of claims) {
      const real = realPathOf(claim.path)
      const other = this.#overlapping(real, claim.tree)
      if (other) {
        for (const each of added) this.#held.delete(each)
        return { claim, other }
      }
      this.#held.set(real, { ...claim, owner })
      added.push(real)
    }
    return undefined
  }

  /** Gives up every claim of `owner`. */
  release(owner: string): void {
    for (const [real, held] of this.#held) if (held.owner === owner) this.#held.delete(real)
  }

  #overlapping(real: string, tree: boolean): Claim | undefined {
    const same = this.#held.get(real)
    if (same) return same
    for (let folder = path.dirname(real); ; folder = path.dirname(folder)) {
      const held = this.#held.get(folder)
      if (held?.tree) return held
      if (folder === path.dirname(folder)) break
    }
    if (!tree) return undefined
    const inside = real.endsWith(path.sep) ? real : real + path.sep
    for (const [other, held] of this.#held) if (other.startsWith(inside)) return held
    return undefined
  }
}
