import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { packageRoot } from '../../src/package-files.js'

/**
 * Compiles probe.c against the header of the SQLite that better-sqlite3 carries; the path is for
 * `loadExtension`, as long as this process lives. Its functions: probe_remember, probe_interrupt,
 * probe_read, probe_file_size, probe_locks, probe_reserve, probe_row.
 */
export function compileProbe(): string {
  return compile('probe.c')
}

/**
 * The same for call-counter.c, whose function is call_counts; it counts where it is preloaded, too
 * (LD_PRELOAD).
 */
export function compileCallCounter(): string {
  return compile('call-counter.c')
}

/** The same for wall-clock.c, which is preloaded too: it moves the wall clock of a process. */
export function compileWallClock(): string {
  return compile('wall-clock.c')
}

function compile(name: string): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'litestream-probe-'))
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  const library = path.join(directory, 'probe.so')
  const driver = path.dirname(createRequire(import.meta.url).resolve('better-sqlite3/package.json'))
  const source = path.join(packageRoot(), 'test', 'support', name)
  const headers = path.join(driver, 'deps', 'sqlite3')
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-Wall', '-Wextra', `-I${headers}`, '-o', library, source])
  return library
}
