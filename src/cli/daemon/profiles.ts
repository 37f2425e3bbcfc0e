import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { pause } from '../../util/pause.js'
import { ControlError } from './control-request.js'

/** Default and maximum length of a CPU profile, in seconds. */
const DEFAULT_SECONDS = 10
const MAX_SECONDS = 60

/** Milliseconds after which a client that reads no data is disconnected. */
const STALL_MS = 30_000

/** The routes of the profiles, each with the file name under which a browser saves the response. */
export const PROFILE_ROUTES: ReadonlyMap<string, string> = new Map([
  ['/debug/cpu-profile', 'litestream-ts.cpuprofile'],
  ['/debug/heap-snapshot', 'litestream-ts.heapsnapshot'],
])

/**
 * Takes CPU profiles and heap snapshots of the main thread, only one at a time. A profile slows the
 * process down, and a heap snapshot needs as much memory as the heap.
 */
export class Profiles {
  #busy = false

  /**
   * Responds to a request for one of PROFILE_ROUTES. Stops when the client disconnects. Throws
   * ControlError for an invalid `seconds` parameter, or while another profile is being taken.
   */
  async serve(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const seconds = readSeconds(url.searchParams.get('seconds'))
    if (this.#busy) {
      throw new ControlError(409, 'another profile is being recorded', {
        details: 'Wait until the recording of the current profile has ended.',
      })
    }
    this.#busy = true
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    response.setTimeout(MAX_SECONDS * 1000 + STALL_MS, () => response.destroy())
    request.resume()
    try {
      const headers = {
        'Content-Type': 'application/json',
        'Content-Disposition': `attachment; filename="${PROFILE_ROUTES.get(url.pathname)}"`,
      }
      if (url.pathname === '/debug/heap-snapshot') {
        response.writeHead(200, headers)
        const { getHeapSnapshot } = await import('node:v8')
        await pipeline(getHeapSnapshot(), response)
      } else {
        const profile = await takeCpuProfile(seconds, gone.signal)
        response.writeHead(200, headers)
        response.end(profile)
      }
    } catch (error) {
      // If the client has disconnected, it cannot receive the error, so the error is ignored.
      if (!gone.signal.aborted) throw error
    } finally {
      this.#busy = false
    }
  }
}

async function takeCpuProfile(seconds: number, signal: AbortSignal): Promise<string> {
  const { Session } = await import('node:inspector/promises')
  const session = new Session()
  session.connect()
  try {
    await session.post('Profiler.enable')
    await session.post('Profiler.start')
    await pause(seconds * 1000, signal)
    const { profile } = await session.post('Profiler.stop')
    return JSON.stringify(profile)
  } finally {
    session.disconnect()
  }
}

function readSeconds(text: string | null): number {
  if (text === null) return DEFAULT_SECONDS
  const seconds = /^\d{1,2}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN
  if (seconds > 0 && seconds <= MAX_SECONDS) return seconds
  throw new ControlError(400, `seconds must be a number above 0 and at most ${MAX_SECONDS}`, {
    field: 'seconds',
    value: text,
  })
}
