import { elapsedMs } from '../util/elapsed.js'
import { formatBytes } from '../util/format-bytes.js'

/** A line that shows the progress of a transfer. */
export interface Progress {
  update(done: number, total: number): void
  stop(): void
}

const silent: Progress = { update() {}, stop() {} }

/** Shortest duration in milliseconds for which a transfer rate is computed. */
const MIN_RATE_MS = 500

/**
 * Formats a transfer rate, such as "1.5 MiB/s". Returns an empty text for durations below
 * MIN_RATE_MS.
 */
function speedOf(bytes: number, ms: number): string {
  return ms < MIN_RATE_MS ? '' : `  ${formatBytes(Math.round((bytes * 1000) / ms))}/s`
}

/**
 * Creates a progress bar on stderr. The progress bar prints nothing if stderr is not an interactive
 * terminal.
 */
export async function createProgress(title: string, wanted = true): Promise<Progress> {
  if (!wanted || !process.stderr.isTTY) return silent
  // In the bundle, a dynamic import of a CommonJS module returns only the default export.
  const { default: cliProgress } = await import('cli-progress')
  const bar = new cliProgress.SingleBar({
    format: `${title} {bar} {percentage}%  {done} of {size}{speed}`,
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: false,
    barsize: 30,
    fps: 8,
    barCompleteChar: '█',
    barIncompleteChar: '░',
  })
  let startedAt = 0
  return {
    update(done, total) {
      const now = elapsedMs()
      if (!startedAt) {
        startedAt = now
        bar.start(total, 0, { done: formatBytes(0), size: formatBytes(total), speed: '' })
      }
      bar.setTotal(total)
      bar.update(done, {
        done: formatBytes(done),
        size: formatBytes(total),
        speed: speedOf(done, now - startedAt),
      })
    },
    stop() {
      if (startedAt) bar.stop()
    },
  }
}
