import { closeSync, readSync } from 'node:fs'
import path from 'node:path'
import { openRegularSync } from '../fs/open-regular-sync.js'

/** Platforms with a prebuilt addon, named as in scripts/prebuild/targets.mjs. */
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

/** Sizes in bytes of the header of a 64-bit ELF file, and of an entry of its program header table. */
const ELF_HEADER = 64
const ELF_ENTRY = 56
/** The type of the entry with the path of the loader. */
const PT_INTERP = 3

/** Whether this process runs on musl: its executable names musl's loader. */
function isMusl(): boolean {
  const file = openRegularSync(process.execPath)
  try {
    return path.basename(loaderOf(file) ?? '').startsWith('ld-musl-')
  } finally {
    closeSync(file)
  }
}

/** The loader of an executable of Linux; undefined for a static one. */
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

/** The name of this process's platform, as in the names of prebuilt addons. */
export function platformName(): string {
  const system = process.platform === 'linux' && isMusl() ? 'linuxmusl' : process.platform
  return `${system}-${process.arch}`
}
