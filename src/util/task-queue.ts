export interface TaskQueueEvents {
  /** Called when a task starts. */
  readonly onStart?: () => void
  /** Called when the last task has ended and no task waits. */
  readonly onIdle?: () => void
}

/**
 * Runs tasks in their order, at most `concurrency` at the same time. The replica worker uses this
 * class instead of p-queue, because p-queue would add 20 KB to the code that runs before the first
 * row.
 */
export class TaskQueue {
  readonly #events: TaskQueueEvents
  #concurrency: number
  #waiting: (() => Promise<void>)[] = []
  #running = 0
  #idle: (() => void)[] = []

  constructor(concurrency: number, events: TaskQueueEvents = {}) {
    this.#concurrency = concurrency
    this.#events = events
  }

  /** A change applies to the tasks that have not started. */
  set concurrency(concurrency: number) {
    this.#concurrency = concurrency
    this.#start()
  }

  /** Starts `task` as soon as the concurrency allows this. Returns the result of `task`. */
  add<T>(task: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => task().then(resolve, reject))
      this.#start()
    })
  }

  /** Removes the tasks that have not started. Their promises never settle. */
  clear(): void {
    this.#waiting = []
  }

  /** Resolves when no task runs or waits. */
  async onIdle(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  #start(): void {
    while (this.#running < this.#concurrency) {
      const run = this.#waiting.shift()
      if (run === undefined) return
      this.#running++
      this.#events.onStart?.()
      void run().then(() => this.#end())
    }
  }

  #end(): void {
    this.#running--
    this.#start()
    if (this.#running > 0) return
    for (const resolve of this.#idle.splice(0)) resolve()
    this.#events.onIdle?.()
  }
}
