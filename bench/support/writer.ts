import path from 'node:path'
import type { ReplicateOptions } from '../../src/index.js'
import { HeldProcess } from './held-process.js'
import { LivePrimary } from './live-primary.js'

/** A primary in a separate process that writes continuously. */
export interface Writer {
  /** The database that is written to. */
  readonly file: string
  close(): Promise<void>
}

/** Resolves once the replica holds the whole database. `rate`: small transactions a second. */
export async function startWriter(
  file: string,
  directory: string,
  url: string,
  rate: number,
  options: ReplicateOptions = {},
): Promise<Writer> {
  const held = await HeldProcess.start(import.meta.url, 'holdWriter', file, directory, url, rate, options)
  return { file: path.join(directory, 'primary.db'), close: () => held.stop() }
}

export async function holdWriter(
  file: string,
  directory: string,
  url: string,
  rate: number,
  options: ReplicateOptions,
) {
  const primary = await LivePrimary.start(file, directory, url, options)
  await primary.replication.sync({ wait: true })
  let due = performance.now()
  const timer = setInterval(() => {
    for (; due <= performance.now(); due += 1000 / rate) primary.write()
  }, 5)
  return async () => {
    clearInterval(timer)
    await primary.close()
  }
}
