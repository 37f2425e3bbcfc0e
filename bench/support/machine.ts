import { readFileSync } from 'node:fs'
import os from 'node:os'
import Database from 'better-sqlite3'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  /** Bytes. */
  readonly memory: number
  readonly system: string
  readonly node: string
  readonly sqlite: string
  /**
   * Processes that wanted to run, averaged over the minute before: more than a few mean that others
   * worked on the machine too.
   */
  readonly load: number
}

export function machine(): Machine {
  const db = new Database(':memory:')
  const sqlite = db.prepare('SELECT sqlite_version()').pluck().get() as string
  db.close()
  const cpus = os.cpus()
  return {
    cpu: cpus[0]?.model ?? 'unknown',
    cores: cpus.length,
    memory: os.totalmem(),
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.version,
    sqlite,
    load: os.loadavg()[0]!,
  }
}

/** Bytes of memory that a process holds, and the most it ever held (Linux). */
export function memoryOf(pid: number | 'self' = 'self'): { resident: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN) * 1024
  return { resident: kib('VmRSS'), peak: kib('VmHWM') }
}

/** Processor time that a process has used so far, user and system. Milliseconds. */
export function cpuOf(pid: number | 'self' = 'self'): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  const ticks = Number(fields[11]) + Number(fields[12])
  return ticks * 10
}
