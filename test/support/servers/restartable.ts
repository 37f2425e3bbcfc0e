import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { until } from '../until.js'
import type { ServerProcess } from './server-process.js'

export interface Restartable {
  /** Kills the server and every process that it started, like a power failure. */
  kill(): Promise<void>
  /** Starts the server again on the same port. */
  start(): Promise<void>
  /** Kills the server and removes its folder. */
  stop(): Promise<void>
}

/** Starts a server that keeps its files in `directory`; `answers`: whether it takes requests. */
export async function startRestartable(
  name: string,
  directory: string,
  spawn: () => ServerProcess,
  answers: () => Promise<boolean>,
): Promise<Restartable> {
  let server: ServerProcess | undefined
  const start = async () => {
    const starting = spawn()
    server = starting
    await until(`${name} answers`, () => {
      starting.assertRunning()
      return answers()
    })
  }
  const kill = async () => {
    const family = descendants(server!.pid!)
    await server!.stop()
    for (const pid of family) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
      }
    }
  }
  const stop = async () => {
    if (server?.running) await kill()
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    await start()
  } catch (error) {
    await stop()
    throw error
  }
  return { start, kill, stop }
}

/** The pids of all processes below `root`. */
function descendants(root: number): number[] {
  const all = execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number])
  const family = new Set([root])
  for (let size = 0; size !== family.size; ) {
    size = family.size
    for (const [pid, parent] of all) if (family.has(parent)) family.add(pid)
  }
  family.delete(root)
  return [...family]
}
