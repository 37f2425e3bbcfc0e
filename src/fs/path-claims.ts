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

/** Two claims for one path, or for a path inside a claimed folder. */
export interface Overlap {
  readonly claim: Claim
  readonly other: Claim
}

interface Held extends Claim {
  readonly owner: string
}

/**
 * The paths to which the parts of a process write. No two of them may overlap, because the parts
 * would overwrite or delete each other's files. A look-up takes one step per folder in the path,
 * however many claims are held.
 */
export class PathClaims {
  readonly #held = new Map<string, Held>()

  /**
   * Adds the claims of `owner`. Returns the first overlap, also among these claims; in that case it
   * adds none of them.
   */
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

  /** Removes every claim of `owner`. */
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
