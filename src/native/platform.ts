import { closeSync, readSync } from 'node:fs'
import path from 'node:path'
import { openRegularSync } from '../fs/open-regular-sync.js'

/** The platforms with a prebuilt addon, with the names in scripts/prebuild/targets.mjs. */
export const PREBUILT: readonly string[] = [
  'linux-x64',
  'linux-arm64',
  'linuxmusl-x64',
  'linuxmusl-arm64',
  'darwin-x64',
  'darwin-arm64',
  'win32-x64',
  'win32-arm64',
]

/**
 * Size in bytes of the file header, and of an entry of the program header table, in a 64-bit ELF
 * file.
 */
const ELF_HEADER = 64
const ELF_ENTRY = 56
/** The type of the program header entry that contains the path of the loader. */
const PT_INTERP = 3

/**
 * Returns whether this process uses the musl C library. The path of the loader in the executable
 * shows which C library the process uses.
 */
function isMusl(): boolean {
  const file = openRegularSync(process.execPath)
  try {
    return path.basename(loaderOf(file) ?? '').startsWith('ld-musl-')
  } finally {
    closeSync(file)
  }
}

/**
 * Returns the path of the loader in a Linux executable. Returns undefined for a static executable.
 */
function loaderOf(file: number): string | undefined {
  const header = readAt(file, ELF_HEADER, 0n)
  const table = readAt(file, header.readUInt16LE(56) * ELF_ENTRY, header.readBigUInt64LE(32))
  for (let at = 0; at < table.length; at += ELF_ENTRY) {
    if (table.readUInt32LE(at) !== PT_INTERP) continue
    const text = readAt(file, Number(table.readBigUInt64LE(at + 32)), table.readBigUInt64LE(at + 8))
    return text.toString('utf8').replace(/\0.*$/s, '')
  }
  return undefined
}

function readAt(file: number, size: number, position: bigint): Buffer {
  const bytes = Buffer.alloc(size)
  readSync(file, bytes, 0, size, position)
  return bytes
}

/** Returns the name of this process's platform, as in the file names of prebuilt addons. */
export function platformName(): string {
  const system = process.platform === 'linux' && isMusl() ? 'linuxmusl' : process.platform
  return `${system}-${process.arch}`
}
