import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { cleanUp } from './clean-up.js'

/** A disk that is full after few writes, or that can be mounted read-only. */
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

/**
 * Mounts the folder `place` read-only over itself: what is opened from then on cannot be written
 * to, as after a remount by the kernel because of an error, which open files do not prevent.
 * Returns the function that ends it; undefined where mounting is not permitted.
 */
export function readOnlyOver(t: TestContext, place: string): (() => void) | undefined {
  const command = (name: string, ...args: string[]) => execFileSync(name, args, { stdio: 'pipe' })
  try {
    command('mount', '--bind', place, place)
  } catch {
    return undefined
  }
  let mounted = true
  const unmount = () => {
    if (mounted) command('umount', '-l', place)
    mounted = false
  }
  cleanUp(t, unmount)
  // Refused while a file that was opened through the new mount is open for writing.
  for (let attempt = 1; ; attempt++) {
    try {
      command('mount', '-o', 'remount,bind,ro', place)
      return unmount
    } catch (error) {
      if (attempt === 100) throw error
    }
  }
}
