import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

/**
 * Puts a file into a replica as a store does: a program that reads the folder at the same time finds
 * the earlier file or all bytes of the new one. Missing directories are created.
 */
export function putFile(file: string, bytes: string | Uint8Array): void {
  mkdirSync(path.dirname(file), { recursive: true })
  const folder = mkdtempSync(path.join(tmpdir(), 'litestream-put-'))
  try {
    const whole = path.join(folder, path.basename(file))
    writeFileSync(whole, bytes)
    renameSync(whole, file)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
