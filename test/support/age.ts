import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { ensureInstalled } from './servers/packages.js'
import { temporaryDirectory } from './temporary-directory.js'

/** An X25519 key pair that the program `age-keygen` has made. */
export interface AgeKey {
  /** The identity file. */
  readonly file: string
  readonly identity: string
  readonly recipient: string
}

export function ageKey(t: TestContext): AgeKey {
  ensureInstalled(['age'], 'install the command age')
  const text = execFileSync('age-keygen', { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  const file = path.join(temporaryDirectory(t), 'key.txt')
  writeFileSync(file, text, { mode: 0o600 })
  return { file, identity: /AGE-SECRET-KEY-\w+/.exec(text)![0], recipient: /age1\w+/.exec(text)![0] }
}

/** Returns the output of `age -d` for a file. */
export function ageDecrypt(key: AgeKey, file: string): Buffer {
  return execFileSync('age', ['-d', '-i', key.file, file], { maxBuffer: 1 << 30 })
}
