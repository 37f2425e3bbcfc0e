import { existsSync } from 'node:fs'
import path from 'node:path'
import { LitestreamError } from '../errors.js'
import { KEEP_OUTSIDE, localRequire, packageRoot } from '../package-files.js'
import type { ClockNative } from './clock.js'
import type { ConstantsNative } from './constants.js'
import type { FileLockNative } from './file-lock.js'
import type { FileStampsNative } from './file-stamps.js'
import type { FrameMergerNative } from './frame-merger.js'
import type { ListedFileNative } from './listed-file.js'
import type { LtxCodecNative } from './ltx-codec.js'
import type { Lz4FrameNative } from './lz4-frame.js'
import type { PageIndexNative } from './page-index.js'
import type { PageWriterNative } from './page-writer.js'
import { PREBUILT, platformName } from './platform.js'
import type { ReplicaHandleNative, ReplicaWorkerNative, ReplicaWriteNative } from './replica.js'
import type { SourceDatabaseNative } from './source-database.js'
import type { WalScanNative } from './wal-scan.js'

/**
 * All exports of the addon. The other files of `src/native` define the types of the exports, with
 * units and guarantees. Every function throws a TypeError or a RangeError for a wrong argument
 * (native/napi/arguments.h).
 */
export interface Native
  extends ConstantsNative,
    ClockNative,
    LtxCodecNative,
    PageIndexNative,
    FrameMergerNative,
    Lz4FrameNative,
    PageWriterNative,
    FileLockNative,
    FileStampsNative,
    ListedFileNative,
    WalScanNative,
    SourceDatabaseNative,
    ReplicaHandleNative,
    ReplicaWorkerNative,
    ReplicaWriteNative {}

/**
 * The environment variable that contains the path of the addon. Applications that move the addon
 * file set the variable to the new path.
 */
const VARIABLE = 'LITESTREAM_ADDON'

let preferred: string | undefined

/**
 * Makes `file` the first path at which the addon is searched. Must be called before the addon is
 * loaded.
 */
export function preferAddon(file: string): void {
  preferred = file
}

/**
 * Yields the paths at which the addon is searched, in order. The first path is the argument of
 * `preferAddon`. If the environment variable is set, the path in the variable is the last path. If
 * the environment variable is not set, the next paths are those of the addon that was compiled on
 * this machine and of the prebuilt addon. A path is computed only if the addon could not be loaded
 * from the earlier paths.
 */
function* candidates(): Generator<string> {
  if (preferred !== undefined) yield preferred
  const named = process.env[VARIABLE]
  if (named) {
    yield path.resolve(named)
    return
  }
  const root = packageRoot()
  yield path.join(root, 'build', 'Release', 'litestream.node')
  yield path.join(root, 'prebuilds', `${platformName()}.node`)
}

function hint(): string {
  if (process.env[VARIABLE]) return `Set ${VARIABLE} to the path of litestream.node, or unset ${VARIABLE}.`
  const platform = platformName()
  if (PREBUILT.includes(platform)) {
    return (
      `Reinstall litestream-ts: its package contains prebuilds/${platform}.node. If a bundler or a file tracer left the file ` +
      `out, ${KEEP_OUTSIDE}, or set ${VARIABLE} to the path of that file.`
    )
  }
  return (
    `No prebuilt addon exists for ${platform}. Compile the addon once, with python3, make and a C++17 compiler: run ` +
    '`npx litestream-ts build-addon` (npm), `pnpm exec litestream-ts build-addon`, `yarn litestream-ts build-addon` or ' +
    '`bunx litestream-ts build-addon`.'
  )
}

function missing(files: readonly string[], reasons: readonly string[], cause?: unknown): LitestreamError {
  const message = `the native addon for ${platformName()} could not be loaded: ${reasons.join('; ')}`
  return new LitestreamError('NATIVE_MISSING', message, {
    file: files[0]!,
    hint: hint(),
    ...(cause === undefined ? {} : { cause }),
  })
}

function load(): { readonly path: string; readonly exports: Native } {
  const files: string[] = []
  const reasons: string[] = []
  let cause: unknown
  for (const file of candidates()) {
    files.push(file)
    if (!existsSync(file)) {
      reasons.push(`${file} does not exist`)
      continue
    }
    try {
      return { path: file, exports: localRequire(file) as Native }
    } catch (error) {
      cause = error
      reasons.push(`${file}: ${(error as Error).message}`)
    }
  }
  throw missing(files, reasons, cause)
}

let loaded: ReturnType<typeof load> | undefined

function loadOnce(): ReturnType<typeof load> {
  loaded ??= load()
  return loaded
}

/**
 * Loads the addon and returns its absolute path. SQLite can also load the addon as an extension.
 * Throws NATIVE_MISSING.
 */
export function addonPath(): string {
  return loadOnce().path
}

/**
 * The exports of the addon. The first use of an export loads the addon. If the addon cannot be
 * loaded, this use throws NATIVE_MISSING. Commands that use no export work without the addon.
 */
export const native: Native = Object.create(
  new Proxy(
    {},
    {
      get(_target, name) {
        // The exports become own properties of `native`, so that this proxy handler is not called
        // again.
        Object.defineProperties(native, Object.getOwnPropertyDescriptors(loadOnce().exports))
        return loadOnce().exports[name as keyof Native]
      },
    },
  ),
)
