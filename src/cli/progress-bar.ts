import { elapsedMs } from '../util/elapsed.js'
import { formatBytes } from '../util/format-bytes.js'

/** A line that shows how far a transfer is. */
export interface Progress {
  update(done: number, total: number): void
  stop(): void
}

const silent: Progress = { update() {}, stop() {} }

/** Minimum duration in milliseconds from which a rate is computed. */
const MIN_RATE_MS = 500

/** The rate as text, such as "1.5 MiB/s"; empty below MIN_RATE_MS. */
function speedOf(bytes: number, ms: number): string {
  return ms < MIN_RATE_MS ? '' : `  ${formatBytes(Math.round((bytes * 1000) / ms))}/s`
}

/** A progress bar on stderr if stderr is an interactive terminal; otherwise prints nothing. */
export async function createProgress(title: string, wanted = true): Promise<Progress> {
  if (!wanted || !process.stderr.isTTY) return silent
  // In the bundle, a CommonJS module that is imported on demand has only its default export.
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
