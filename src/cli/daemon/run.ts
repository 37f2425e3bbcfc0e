import type { Config } from '../../config/types.js'
import { HttpServer } from '../../status/http-server.js'
import type { Logger } from '../../util/logger.js'
import { MAX_DELAY_MS, startInterval } from '../../util/timers.js'
import { version } from '../../version.js'
import { signalStatus } from '../signals.js'
import { Child } from './child.js'
import { ControlSocket } from './control-socket.js'
import { Daemon } from './daemon.js'
import { DirectoryWatcher } from './directory-watcher.js'
import { Heartbeat } from './heartbeat.js'
import { daemonSource } from './status-source.js'

/** Why the daemon ends: a signal, or its child did. */
type Ending = { readonly signal: NodeJS.Signals } | { readonly childStatus: number }

/** Runs a configuration until a signal comes or its child ends. Returns the exit status. */
export async function runDaemon(config: Config, logger: Logger): Promise<number> {
  const abort = new AbortController()
  let signalled: (signal: NodeJS.Signals) => void = () => {}
  const firstSignal = new Promise<Ending>((resolve) => {
    signalled = (signal) => resolve({ signal })
  })
  let seen: NodeJS.Signals | undefined
  const onSignal = (signal: NodeJS.Signals) => {
    if (seen) {
      logger.warn({ signal }, 'second signal, ending without waiting for the replica')
      abort.abort()
    } else {
      seen = signal
      logger.info({ signal }, 'signal received, litestream shutting down')
      signalled(signal)
    }
  }
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal)

  const daemon = new Daemon(config, logger)
  const parts: { close(): Promise<void> }[] = []
  let child: Child | undefined
  try {
    logger.info({ version, pid: process.pid, config: config.file }, 'litestream')
    for (const warning of config.warnings) logger.warn(warning)
    if (config.databases.length + config.directories.length === 0)
      logger.error('no databases specified in configuration')
    // First of all it can be asked how it is: opening a replica that is away takes its time.
    if (config.addr) {
      const server = await HttpServer.listen(daemonSource(daemon), config.addr)
      parts.push(server)
      logger.info({ addr: server.address }, 'serving metrics and status')
    }
    if (config.socket.enabled) parts.push(await ControlSocket.listen(daemon, config.socket))
    await daemon.open()
    for (const directory of config.directories) if (directory.watch) parts.push(new DirectoryWatcher(daemon, directory))
    if (config.heartbeat) parts.push(new Heartbeat(daemon, config.heartbeat))
    // Otherwise nothing but timers that do not count would keep a process without databases alive.
    const alive = startInterval(MAX_DELAY_MS, () => {})
    parts.push({ close: async () => alive.stop() })

    if (config.exec) child = await Child.start(config.exec.reveal())
    const ended: Promise<Ending>[] = child ? [child.ended.then((childStatus) => ({ childStatus }))] : []
    const ending = await Promise.race([firstSignal, ...ended])
    let childStatus = 0
    if ('signal' in ending) {
      child?.kill(ending.signal)
      // What the program does with the signal is its own affair; that we ended it is no failure of ours.
      await Promise.race([child?.ended ?? Promise.resolve(0), aborted(abort.signal)])
    } else {
      childStatus = ending.childStatus
      logger.info({ status: childStatus }, 'exec command ended, litestream shutting down')
    }
    const failed = await close(daemon, parts, abort.signal)
    if (childStatus !== 0) return childStatus
    if (abort.signal.aborted) return signalStatus(seen!)
    return failed === 0 ? 0 : 1
  } catch (error) {
    child?.kill('SIGTERM')
    await close(daemon, parts, AbortSignal.abort())
    throw error
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
  }
}

async function close(
  daemon: Daemon,
  parts: readonly { close(): Promise<void> }[],
  signal: AbortSignal,
): Promise<number> {
  for (const part of parts) await part.close()
  const failed = await daemon.close(signal)
  daemon.logger.info('litestream shut down')
  return failed
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
