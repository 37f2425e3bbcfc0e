import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Readable, Writable } from 'node:stream'
import type { TestContext } from 'node:test'
import { cleanUp } from './clean-up.js'
import { removeWhileUsed } from './remove-while-used.js'
import { ensureInstalled } from './servers/packages.js'

export interface Browser {
  /** Loads a page in a window of this width, in CSS pixels. */
  open(url: string, width: number): Promise<void>
  /** Returns the value of a JavaScript expression in the page, as JSON. */
  evaluate(expression: string): Promise<unknown>
  /** What the page reported: exceptions, console messages, violations of its policy. */
  readonly reports: string[]
}

interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: unknown
  readonly result?: { readonly [key: string]: unknown }
}

/**
 * A headless Chromium, installed if necessary, and controlled through the DevTools protocol over
 * two pipes.
 */
export async function startBrowser(t: TestContext): Promise<Browser> {
  await ensureInstalled(['chromium'], 'put a chromium into the PATH')
  const data = mkdtempSync(path.join(tmpdir(), 'litestream-browser-'))
  const options = ['--headless', '--no-sandbox', '--disable-gpu', '--remote-debugging-pipe', `--user-data-dir=${data}`]
  const child = spawn('chromium', [...options, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
  })
  cleanUp(t, async () => {
    await stop(child)
    // Its other processes end after it, and may still write.
    await removeWhileUsed(data)
  })
  const waiting = new Map<number, (message: Message) => void>()
  const reports: string[] = []
  const read = (message: Message) => {
    if (message.id !== undefined) waiting.get(message.id)?.(message)
    else if (/^(Runtime\.(exceptionThrown|consoleAPICalled)|Log\.entryAdded)$/.test(message.method ?? '')) {
      reports.push(JSON.stringify(message.params))
    }
  }
  let rest = ''
  ;(child.stdio[4] as Readable).setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\0')
    rest = parts.pop()!
    for (const part of parts) read(JSON.parse(part) as Message)
  })
  let id = 0
  const send = (method: string, params: object = {}, sessionId?: unknown) =>
    new Promise<Record<string, unknown>>((resolve) => {
      waiting.set(++id, ({ result = {} }) => resolve(result))
      ;(child.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, sessionId })}\0`)
    })
  const { targetId } = await send('Target.createTarget', { url: 'about:blank' })
  const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true })
  for (const domain of ['Page', 'Runtime', 'Log']) await send(`${domain}.enable`, {}, sessionId)
  return {
    reports,
    open: async (url, width) => {
      const metrics = { width, height: 900, deviceScaleFactor: 1, mobile: width < 500 }
      await send('Emulation.setDeviceMetricsOverride', metrics, sessionId)
      await send('Page.navigate', { url }, sessionId)
    },
    evaluate: async (expression) => {
      const { result } = await send(
        'Runtime.evaluate',
        { expression, returnByValue: true, awaitPromise: true },
        sessionId,
      )
      return (result as { readonly value?: unknown } | undefined)?.value
    },
  }
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.kill()
  if (child.exitCode === null && child.signalCode === null) await ended
}
