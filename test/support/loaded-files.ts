import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** Files of JavaScript that the threads of a process loaded, in the order in which they did. */
export interface LoadedFiles {
  readonly main: readonly string[]
  readonly worker: readonly string[]
}

/**
 * What a process that opened a replica loaded. It ran with NODE_V8_COVERAGE=`directory`, into which
 * V8 writes the scripts of each of its threads, however these were loaded.
 */
export function loadedFiles(directory: string): LoadedFiles {
  const threads = readdirSync(directory).map((name) => {
    const { result } = JSON.parse(readFileSync(path.join(directory, name), 'utf8')) as { result: { url: string }[] }
    return result
      .map(({ url }) => (url.startsWith('file:') ? fileURLToPath(url) : url))
      .filter((file) => path.isAbsolute(file))
  })
  const isWorker = (files: readonly string[]) => files.some((file) => file.endsWith('/replica/worker/worker.cjs'))
  const main = threads.find((files) => !isWorker(files))
  const worker = threads.find(isWorker)
  if (!main || !worker || threads.length !== 2)
    throw new Error(`${directory}: the scripts of ${threads.length} threads`)
  return { main, worker }
}
