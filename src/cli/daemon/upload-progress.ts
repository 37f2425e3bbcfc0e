import type { PrimaryEvents } from '../../primary/events.js'
import { formatBytes } from '../../util/format-bytes.js'
import type { Logger } from '../../util/logger.js'
import { monotonicMs } from '../../util/monotonic.js'
import { guarded } from '../../util/timers.js'
import { createProgress, type Progress } from '../progress-bar.js'

/** Minimum interval between two log lines about one upload, in milliseconds. */
const LINE_MS = 10_000

interface Shown {
  /** The progress bar, or undefined until the code of the progress bar is loaded. */
  bar: Progress | undefined
  /** Time at which the latest line was logged, as a value of `monotonicMs()`. */
  loggedAt: number
}

/** The running uploads, by database path. */
const shown = new Map<string, Shown>()

/**
 * Shows the progress of an upload. Shows a bar if stderr is a terminal, and otherwise logs a line
 * every ten seconds.
 */
export function showProgress(logger: Logger, { db, bytes, totalBytes }: PrimaryEvents['progress']): void {
  const upload = shown.get(db) ?? begin(db)
  upload.bar?.update(bytes, totalBytes)
  if (process.stderr.isTTY || monotonicMs() - upload.loggedAt < LINE_MS) return
  upload.loggedAt = monotonicMs()
  const percent = Math.floor((bytes * 100) / totalBytes)
  logger.info({ done: formatBytes(bytes), size: formatBytes(totalBytes), percent }, 'uploading')
}

function begin(db: string): Shown {
  const upload: Shown = { bar: undefined, loggedAt: monotonicMs() }
  shown.set(db, upload)
  const ready = guarded((bar: Progress) => {
    upload.bar = bar
  })
  void createProgress('upload').then(ready)
  return upload
}

/** Removes the progress bar when the upload of the database has ended. */
export function endProgress(db: string): void {
  shown.get(db)?.bar?.stop()
  shown.delete(db)
}
