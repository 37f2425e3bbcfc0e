/**
 * Names of SQLite's primary result codes (https://www.sqlite.org/rescode.html). The key is the
 * number of the code.
 */
const NAMES: Readonly<Record<number, string>> = {
  1: 'ERROR',
  2: 'INTERNAL',
  3: 'PERM',
  4: 'ABORT',
  5: 'BUSY',
  6: 'LOCKED',
  7: 'NOMEM',
  8: 'READONLY',
  9: 'INTERRUPT',
  10: 'IOERR',
  11: 'CORRUPT',
  12: 'NOTFOUND',
  13: 'FULL',
  14: 'CANTOPEN',
  15: 'PROTOCOL',
  17: 'SCHEMA',
  18: 'TOOBIG',
  19: 'CONSTRAINT',
  20: 'MISMATCH',
  21: 'MISUSE',
  22: 'NOLFS',
  23: 'AUTH',
  25: 'RANGE',
  26: 'NOTADB',
}

/**
 * The name of the SQLite result code in a driver's error, such as SQLITE_BUSY, or undefined for any
 * other error. better-sqlite3 reports extended result codes (SQLITE_BUSY_SNAPSHOT), and node:sqlite
 * reports primary result codes. Callers must therefore compare prefixes.
 */
export function sqliteCode(error: unknown): string | undefined {
  const { code, errcode } = Object(error) as { code?: unknown; errcode?: unknown }
  if (typeof code === 'string' && code.startsWith('SQLITE_')) return code
  if (code !== 'ERR_SQLITE_ERROR' || typeof errcode !== 'number') return undefined
  return `SQLITE_${NAMES[errcode & 0xff] ?? 'ERROR'}`
}
