import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { LitestreamError } from '../errors.js'
import type { ClockNative } from './clock.js'
import type { FileLockNative } from './file-lock.js'
import type { FrameMergerNative } from './frame-merger.js'
import type { LtxCodecNative } from './ltx-codec.js'
import type { Lz4FrameNative } from './lz4-frame.js'
import type { PageIndexNative } from './page-index.js'
import type { PageWriterNative } from './page-writer.js'
import type { ReplicaHandleNative, ReplicaWorkerNative, ReplicaWriteNative } from './replica.js'
import type { SourceDatabaseNative } from './source-database.js'
import type { WalScanNative } from './wal-scan.js'

/**
 * Everything the addon exports; each part is typed, with units and guarantees, in a file of this folder. Every function
 * throws a TypeError or RangeError for an argument that does not fit (native/napi/arguments.h).
 */
export interface Native
  extends ClockNative,
    LtxCodecNative,
    PageIndexNative,
    FrameMergerNative,
    Lz4FrameNative,
    PageWriterNative,
    FileLockNative,
    WalScanNative,
    SourceDatabaseNative,
    ReplicaHandleNative,
    ReplicaWorkerNative,
    ReplicaWriteNative {}

/** The directory of package.json, wherever this file was compiled to. */
export function packageRoot(): string {
  let dir = import.meta.dirname
  while (!existsSync(path.join(dir, 'package.json'))) dir = path.dirname(dir)
  return dir
}

/** The absolute path of the compiled addon, which is also a loadable SQLite extension. */
export const nativePath: string = path.join(packageRoot(), 'build', 'Release', 'litestream.node')

function load(): Native {
  try {
    return createRequire(import.meta.url)(nativePath) as Native
  } catch (cause) {
    throw new LitestreamError(
      'NATIVE_MISSING',
      `cannot load the native addon ${nativePath}: ${(cause as Error).message}`,
      {
        cause,
        file: nativePath,
        hint: 'Compile it with `npm rebuild litestream-ts` (python3, make and a C++17 compiler are needed).',
      },
    )
  }
}

export const native: Native = load()
