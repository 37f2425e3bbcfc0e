import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { cleanUp } from './clean-up.js'

/** A disk that is soon full, or can be mounted read-only. */
export interface SmallFileSystem {
  /** `to` as mount's option has it, such as 16m. */
  grow(to: string): void
  makeReadOnly(): void
}

/**
 * Mounts a file system of its own on `place` until the test ends, where this machine lets us
 * (root); undefined where not.
 */
export function smallFileSystem(t: TestContext, place: string, size: string): SmallFileSystem | undefined {
  mkdirSync(place)
  const mount = (...args: string[]) => execFileSync('mount', args, { stdio: 'pipe' })
  try {
    mount('-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', place)
  } catch {
    return undefined
  }
  cleanUp(t, () => execFileSync('umount', ['-l', place]))
  return {
    grow: (to) => void mount('-o', `remount,size=${to}`, place),
    makeReadOnly: () => void mount('-o', 'remount,ro', place),
  }
}
