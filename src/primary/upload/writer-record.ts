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
   * Identifies the boot of the machine and the container. Process IDs are unique within one boot of
   * a container. If the operating system does not report the boot and the container, the text is
   * empty.
   */
  pidSpace: text,
  /**
   * Start time of the process in clock ticks after the boot, which does not depend on the wall
   * clock. Writer records of older versions lack the start time.
   */
  pidStart: optional(number),
  database: text,
  startedAt: text,
})
type Record = Shaped<typeof shape>

/** The IDs of the replicators of this thread that have written a writer record. */
const running = new Set<string>()

/**
 * The object `primary.json` in a replica, which says which process writes to the replica. Two
 * primaries cannot overwrite each other's files, because each LTX file is created only if no file
 * with its name exists. The writer record has two other purposes. A second primary on the same
 * machine detects the running primary immediately, and users see which process writes to the
 * replica.
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
   * Replaces another primary's writer record by this primary's record. If the other primary is
   * certainly running and `leased` is false, throws REPLICA_FENCED. If `leased` is true, this
   * primary holds the lease, so the other primary has renewed its lease too late.
   */
  async claim({ leased }: { readonly leased: boolean }): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const there = await this.#client.getObject(WRITER_RECORD_NAME)
      const other = there && parse(there.data)
      if (other?.instance === this.#instance) {
        // This process has already written the writer record. Either the response to the write was
        // lost, or the start of the primary failed after the write.
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
        // Another primary has replaced the record in the meantime, so the loop reads the record
        // again.
        if (!isLitestreamError(error, 'PRECONDITION_FAILED') || attempt === 10) throw error
      }
    }
  }

  /**
   * Returns a description of the other primary in the writer record. Returns undefined if the
   * record is missing or belongs to this primary.
   */
  async other(): Promise<string | undefined> {
    const there = await this.#client.getObject(WRITER_RECORD_NAME)
    const other = there && parse(there.data)
    return other && other.instance !== this.#instance ? describe(other) : undefined
  }

  /**
   * Reads the writer record. Returns `gone` for a missing record, `damaged` for a damaged record,
   * and a description of the other primary if another primary has replaced the record. Returns
   * undefined if the record belongs to this primary.
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

  /** Removes the writer record if the record still belongs to this primary. */
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
      hint: 'Stop the other primary, or choose another replica URL: only one primary may write to a replica.',
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
 * Returns true only if the process in the writer record is certainly running. Returns false if the
 * process is on another machine, or if its process ID may belong to another process now.
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
    // The system is not Linux, or /proc is not available.
    return ''
  }
}

/**
 * Start time of the process in clock ticks after the boot, or undefined if the operating system
 * does not report the start time.
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
 * Returns false if the process started after the writer record was written, because a new process
 * may have the process ID in the record. Compares times of the wall clock.
 */
function startedBefore(ticks: number | undefined, time: number): boolean {
  if (ticks === undefined) return false
  const uptime = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0])
  // A clock tick is 1/100 s on every Linux that Node.js supports. The comparison adds 500 ms to
  // allow for rounding.
  return Date.now() - uptime * 1000 + ticks * 10 <= time + 500
}
