import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { cpuOf, memoryOf } from './machine.js'

/** `litestream-ts replicate` with a configuration file. */
export class DaemonProcess {
  readonly #child: ChildProcess
  #replicated = 0
  #lastWords = ''

  private constructor(child: ChildProcess) {
    this.#child = child
    child.stderr!.setEncoding('utf8')
    child.stderr!.on('data', (text: string) => {
      this.#replicated += text.split('ltx file uploaded').length - 1
      this.#lastWords = (this.#lastWords + text).slice(-2000)
    })
  }

  static async start(config: string): Promise<DaemonProcess> {
    const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
    const child = spawn(process.execPath, [main, 'replicate', '-config', config], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    await once(child, 'spawn')
    return new DaemonProcess(child)
  }

  /** Files of level 0 that were uploaded so far. Throws once the process has ended. */
  replicated(): number {
    if (this.#child.exitCode !== null)
      throw new Error(`replicate ended with ${this.#child.exitCode}: ${this.#lastWords}`)
    return this.#replicated
  }

  /** Processor time in milliseconds that the process has used so far. */
  get cpu(): number {
    return cpuOf(this.#child.pid!)
  }

  /** Number of bytes of memory that are resident now. */
  get memory(): number {
    return memoryOf(this.#child.pid!).resident
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    await exited
  }
}
