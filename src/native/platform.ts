import { closeSync, readSync } from 'node:fs'
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

/**
 * Number of bytes at the start of an executable that contain its headers and the name of its
 * loader.
 */
const HEAD_SIZE = 4096

/** Whether this process runs on musl: its executable names musl's loader. */
function isMusl(): boolean {
  const head = Buffer.alloc(HEAD_SIZE)
  const file = openRegularSync(process.execPath)
  try {
    return head.toString('latin1', 0, readSync(file, head, 0, HEAD_SIZE, 0)).includes('/ld-musl-')
  } finally {
    closeSync(file)
  }
}

/** The name of this process's platform, as in the names of prebuilt addons. */
export function platformName(): string {
  const system = process.platform === 'linux' && isMusl() ? 'linuxmusl' : process.platform
  return `${system}-${process.arch}`
}
