import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { cleanUp } from './clean-up.js'

/** A directory of the test's own, removed when the test ends. */
export function temporaryDirectory(t: Pick<TestContext, 'after'>): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'litestream-test-'))
  cleanUp(t, () => rmSync(directory, { recursive: true, force: true, maxRetries: 20 }))
  return directory
}
