import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { packageRoot } from '../../src/native.js'
import { temporaryDirectory } from './temporary-directory.js'

/**
 * Compiles probe.c against the header of the SQLite that better-sqlite3 carries; the path is for `loadExtension`. Its functions:
 * probe_remember, probe_interrupt, probe_read, probe_file_size, probe_locks, probe_row.
 */
export function compileProbe(t: TestContext): string {
  const library = path.join(temporaryDirectory(t), 'probe.so')
  const driver = path.dirname(createRequire(import.meta.url).resolve('better-sqlite3/package.json'))
  const source = path.join(packageRoot(), 'test', 'support', 'probe.c')
  const headers = path.join(driver, 'deps', 'sqlite3')
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-Wall', '-Wextra', `-I${headers}`, '-o', library, source])
  return library
}
