import { mkdir, open, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { syncDirectory } from '../fs/durable.js'
import { throwIfAborted } from '../util/abort.js'
import { checkIntegrity, type IntegrityCheck } from './integrity.js'
import { guardOutput, removeSidecars } from './output-guard.js'

export interface PublishOptions {
  readonly output: string
  readonly force: boolean
  readonly integrityCheck: IntegrityCheck
  readonly signal: AbortSignal
  /** Called when SQLite begins to check. */
  readonly onCheck?: (check: 'quick' | 'full') => void
}

/**
 * Lets `build` make a database under a temporary name, checks it, and gives it its own name once it is whole and on disk; on failure
 * nothing is left. Returns what `build` returned.
 */
export async function publish<T>(
  { output, force, integrityCheck, signal, onCheck }: PublishOptions,
  build: (temporary: string) => Promise<T>,
  finish: (temporary: string, built: T) => Promise<void>,
): Promise<T> {
  const directory = path.dirname(path.resolve(output))
  await mkdir(directory, { recursive: true })
  const temporary = `${output}.tmp`
  const removeTemporary = async () => {
    await removeSidecars(temporary)
    await rm(temporary, { force: true })
  }
  await removeTemporary()
  try {
    const built = await build(temporary)
    if (integrityCheck !== 'none') onCheck?.(integrityCheck)
    await checkIntegrity(temporary, integrityCheck, signal)
    throwIfAborted(signal, `restoring ${output}`)
    await removeSidecars(temporary)
    await syncFile(temporary)
    // Somebody may have made a database there meanwhile.
    await guardOutput(output, force)
    await finish(temporary, built)
    await removeSidecars(output)
    await rename(temporary, output)
    await syncDirectory(directory)
    return built
  } catch (error) {
    await removeTemporary()
    throw error
  }
}

async function syncFile(file: string): Promise<void> {
  const handle = await open(file, 'r+')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
