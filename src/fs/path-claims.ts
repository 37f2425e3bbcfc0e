import path from 'node:path'
import { realPathOf } from './real-path.js'

/** A path to which one part of a process writes. */
export interface Claim {
  /** The configured path, in which symbolic links are not resolved. */
  readonly path: string
  /**
   * True if the claim is for a folder with all its contents, and false if the claim is for one
   * file.
   */
  readonly tree: boolean
  /** A description of the path for messages, such as "the replica of /var/lib/app.db". */
  readonly what: string
}

/**
 * Returns a form of a path that is the same for all spellings of this path. Windows and macOS
 * ignore letter case, and macOS ignores how accents are encoded. On a volume that distinguishes
 * letter case or accents, the paths of two different files may have the same form. Two files whose
 * paths have the same form are reported as an overlap, even if the volume distinguishes them.
 */
export function comparablePath(real: string, platform: NodeJS.Platform = process.platform): string {
  return platform === 'win32' || platform === 'darwin' ? real.normalize('NFC').toLowerCase() : real
}

/**
 * Two claims that overlap. Either both claims are for the same path, or one path is inside the
 * folder of the other claim.
 */
export interface Overlap {
  readonly claim: Claim
  readonly other: Claim
}

interface Held extends Claim {
  readonly owner: string
}

/** Yields the folders that contain a path, the nearest folder first. */
function* foldersOf(real: string): Generator<string> {
  for (let at = real; at !== path.dirname(at); ) {
    at = path.dirname(at)
    yield at
  }
}

/**
 * The paths that the parts of a process claim for writing. Two parts must not write to overlapping
 * paths, because each part could overwrite or delete files of the other part. The time of each
 * operation grows with the number of folders in a path, but not with the number of claims.
 */
export class PathClaims {
  readonly #held = new Map<string, Held>()
  /** For each folder, the number of claimed paths below the folder. */
  readonly #below = new Map<string, number>()
  readonly #owned = new Map<string, string[]>()

  /**
   * Adds the claims of `owner`. If a claim overlaps with an earlier claim, or with another claim in
   * `claims`, adds no claim and returns the overlap.
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

  /** Removes all claims of `owner`. */
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
