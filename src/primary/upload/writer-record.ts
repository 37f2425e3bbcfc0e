import { randomUUID } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { isLitestreamError, LitestreamError } from '../../errors.js'
import { isErrno } from '../../fs/fs-error.js'
import { WRITER_RECORD_NAME } from '../../levels/writer-record-name.js'
import type { ReplicaClient } from '../../storage/replica-client.js'
import { number, optional, record, type Shaped, text, tryReadJson } from '../../util/json-shape.js'

const shape = record({
  /** Identifies one replicator in one process. */
  instance: text,
  host: text,
  pid: number,
  /**
   * The scope of pids: the boot of the machine and the container. Empty if the system does not
   * report it.
   */
  pidSpace: text,
  /**
   * Start time of the process in clock ticks since the boot, which does not depend on the wall
   * clock. Absent in records of older versions.
   */
  pidStart: optional(number),
  database: text,
  startedAt: text,
})
type Record = Shaped<typeof shape>

/** Instances of this process that write to some replica; per thread. */
const running = new Set<string>()

/**
 * The object `primary.json` in a replica: which process writes to it. The record protects nothing;
 * the names of the files do that. A second primary on the same machine sees in it immediately that
 * another one is running, and users see which process that is.
 */
export class WriterRecord {
  readonly #client: ReplicaClient
  readonly #database: string
  readonly #instance = randomUUID()
  #tag: string | undefined

  constructor(client: ReplicaClient, database: string) {
    this.#client = client
    this.#database = database
  }

  /**
   * Replaces another primary's record by ours, unless ours exists already. Throws REPLICA_FENCED if
   * the other primary is known to be running, unless `leased`: the owner of the lease takes over
   * from a running primary that was too slow to renew it.
   */
  async claim({ leased }: { readonly leased: boolean }): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const there = await this.#client.getObject(WRITER_RECORD_NAME)
      const other = there && parse(there.data)
      if (other?.instance === this.#instance) {
        // An earlier attempt of this process wrote the record: its response was lost, or the start
        // failed later.
        this.#tag = there!.tag
        running.add(this.#instance)
        return
      }
      if (!leased && other && isRunning(other)) throw this.fenced(other)
      try {
        this.#tag = await this.#client.putObject(WRITER_RECORD_NAME, this.#ours(), there?.tag ?? null)
        running.add(this.#instance)
        return
      } catch (error) {
        // Another primary has written the record first: read that record.
        if (!isLitestreamError(error, 'PRECONDITION_FAILED') || attempt === 10) throw error
      }
    }
  }

  /** The holder of the replica, for a message; undefined if there is no record or it is ours. */
  async other(): Promise<string | undefined> {
    const there = await this.#client.getObject(WRITER_RECORD_NAME)
    const other = there && parse(there.data)
    return other && other.instance !== this.#instance ? describe(other) : undefined
  }

  /**
   * Reads the record and returns its fault: `gone` or `damaged`, or the description of another
   * primary that has replaced our record. Undefined if the record is ours.
   */
  async check(): Promise<'gone' | 'damaged' | { readonly other: string } | undefined> {
    const there = await this.#client.getObject(WRITER_RECORD_NAME)
    if (!there) return 'gone'
    if (there.tag === this.#tag) return undefined
    const record = parse(there.data)
    if (!record) return 'damaged'
    if (record.instance !== this.#instance) return { other: describe(record) }
    this.#tag = there.tag
    return undefined
  }

  /** Removes the record if it is still ours. */
  async release(): Promise<void> {
    running.delete(this.#instance)
    if (this.#tag === undefined) return
    try {
      await this.#client.deleteObject(WRITER_RECORD_NAME, this.#tag)
    } catch (error) {
      if (!isLitestreamError(error, 'PRECONDITION_FAILED', 'NOT_FOUND')) throw error
    } finally {
      this.#tag = undefined
    }
  }

  fenced(other: Record): LitestreamError {
    return new LitestreamError('REPLICA_FENCED', `another primary writes to ${this.#client.url}: ${describe(other)}`, {
      file: this.#client.url,
      hint: 'Stop that primary, or choose another replica URL: only one primary may write to a replica.',
    })
  }

  #ours(): Uint8Array {
    const record: Record = {
      instance: this.#instance,
      host: hostname(),
      pid: process.pid,
      pidSpace: pidSpace(),
      pidStart: startTicks(process.pid),
      database: this.#database,
      startedAt: new Date().toISOString(),
    }
    return Buffer.from(JSON.stringify(record))
  }
}

function parse(data: Uint8Array): Record | undefined {
  return tryReadJson(shape, Buffer.from(data).toString('utf8'))
}

function describe({ host, pid, database, startedAt }: Record): string {
  return `process ${pid} on ${host}, which has replicated ${database} since ${startedAt}`
}

/**
 * Returns true only if certain: a process on another machine, or a pid that may belong to another
 * process, is not known to be running.
 */
function isRunning(other: Record): boolean {
  if (other.pidSpace === '' || other.pidSpace !== pidSpace()) return false
  if (other.pid === process.pid) return running.has(other.instance)
  try {
    process.kill(other.pid, 0)
  } catch (error) {
    if (!isErrno(error, 'EPERM')) return false
  }
  const ticks = startTicks(other.pid)
  if (other.pidStart !== undefined && ticks !== undefined) return other.pidStart === ticks
  return startedBefore(ticks, Date.parse(other.startedAt))
}

function pidSpace(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    // Not Linux, or /proc is not available.
    return ''
  }
}

/**
 * Start time of the process in clock ticks since the boot; undefined if the system does not report
 * it.
 */
function startTicks(pid: number): number | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return Number(fields[19])
  } catch {
    return undefined
  }
}

/**
 * False if the process started after the record was written, so its pid was reused. By the wall
 * clock.
 */
function startedBefore(ticks: number | undefined, time: number): boolean {
  if (ticks === undefined) return false
  const uptime = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0])
  // A clock tick is 1/100 s on every Linux that Node.js supports; half a second for rounding.
  return Date.now() - uptime * 1000 + ticks * 10 <= time + 500
}
