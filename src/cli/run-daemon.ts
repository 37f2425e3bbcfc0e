import type { Config } from '../config/types.js'
import { noOtherCode } from '../primary/source/sqlite-copies.js'
import type { HttpServer } from '../status/http-server.js'
import { shareConnections } from '../storage/http/connection-sharing.js'
import { onAbort } from '../util/abort.js'
import { formatDuration } from '../util/duration.js'
import type { Logger } from '../util/logger.js'
import { MAX_DELAY_MS, startInterval } from '../util/timers.js'
import { version } from '../version.js'
import type { Child, ChildEnd } from './daemon/child.js'
import type { ControlSocket } from './daemon/control-socket.js'
import { CLOSE_MARGIN_MS, Daemon } from './daemon/daemon.js'
import type { DaemonMetrics } from './daemon/daemon-metrics.js'
import { withLastResort } from './daemon/last-resort.js'
import { Supervised } from './daemon/supervised.js'
import type { McpServer } from './mcp/mcp-server.js'
import { abortOnSignals, Interrupted } from './signals.js'

interface Part {
  close(): Promise<void>
}

/**
 * Replicates the databases of a configuration until a signal arrives or the program of `exec` ends.
 * The first signal starts a shutdown, and a second signal ends the process immediately. `read`
 * reads the configuration again after SIGHUP or `POST /reload`.
 *
 * If the program of `exec` ran and its exit status is not 0, returns this exit status. Otherwise
 * returns 0 if every database is completely replicated at the end, and 1 if not. Throws
 * CONFIG_INVALID for overlapping paths, and INVALID_ARGUMENT if the program of `exec` cannot be
 * started.
 */
export async function runDaemon(config: Config, logger: Logger, read?: () => Config): Promise<number> {
  noOtherCode()
  shareConnections()
  const daemon = new Daemon(config, logger, config.addr ? await loadMetrics() : undefined)
  let child: Child | undefined
  const onSecond = (signal: NodeJS.Signals) => {
    logger.warn({ signal }, 'second signal, ending without waiting for the replica')
    child?.kill('SIGKILL')
  }
  const limit = config.shutdownSyncTimeout + (config.exec ? config.execStopTimeout : 0) + 2 * CLOSE_MARGIN_MS
  return abortOnSignals(
    (interrupted) =>
      withLastResort(logger, limit, async (fatal) => {
        const stopping = AbortSignal.any([interrupted, fatal])
        const stopped = aborted(stopping)
        const parts: Part[] = []
        try {
          await start(daemon, parts, stopped, read)
          if (config.exec && !stopping.aborted) child = await startChild(daemon, config.exec.reveal(), stopped)
          const end = await Promise.race([stopped, ...(child ? [child.ended] : [])])
          return await finish(daemon, parts, child, end, stopping)
        } catch (error) {
          await close(daemon, parts)
          throw error
        }
      }),
    onSecond,
  )
}

/**
 * Starts all parts of the daemon. Resolves when each part was started or could not be started, or
 * when the process stops.
 */
async function start(
  daemon: Daemon,
  parts: Part[],
  stopped: Promise<undefined>,
  read: (() => Config) | undefined,
): Promise<void> {
  const { config, logger, faults } = daemon
  logger.info({ version, pid: process.pid, config: config.file }, 'litestream')
  for (const warning of config.warnings) logger.warn(warning)
  if (config.databases.length + config.directories.length === 0) logger.error('no databases specified in configuration')
  // The timer `alive` keeps the process alive even if the configuration has no database and no
  // listener.
  const alive = startInterval(MAX_DELAY_MS, () => {})
  parts.push({ close: async () => alive.stop() })

  const { addr, mcpAddr, socket, heartbeat } = config
  const listeners: Supervised[] = []
  if (addr) {
    const part = { part: 'http', name: addr, replication: false } as const
    listeners.push(new Supervised(part, faults, (onFailed) => serve(daemon, addr, onFailed)))
  }
  if (mcpAddr) {
    const part = { part: 'mcp', name: mcpAddr, replication: false } as const
    listeners.push(new Supervised(part, faults, (onFailed) => serveMcp(daemon, mcpAddr, onFailed)))
  }
  if (socket.enabled) {
    const part = { part: 'control socket', name: socket.path, replication: false } as const
    listeners.push(new Supervised(part, faults, (onFailed) => listenForControl(daemon, onFailed)))
  }
  parts.push(...listeners)
  // The listeners start before the databases, so that /healthz responds while the daemon still
  // tries to open replicas.
  await Promise.all(listeners.map((listener) => listener.start()))
  if (config.restoreProof) {
    const { RestoreProofs } = await import('./daemon/restore-proofs.js')
    parts.push(new RestoreProofs(daemon, config.restoreProof))
  }
  if (heartbeat) {
    const { Heartbeat } = await import('./daemon/heartbeat.js')
    parts.push(new Heartbeat(daemon, heartbeat))
  }
  const { Reloader } = await import('./daemon/reloader.js')
  const reloader = new Reloader(daemon, read)
  daemon.reloadWith(() => reloader.reload())
  parts.push(reloader)
  // On Windows, SIGHUP means that the console was closed, so SIGHUP ends the process. On Windows, a
  // user reloads the configuration with the command `reload`.
  if (reloader.canReload && process.platform !== 'win32') parts.push(reloadOnHangup(daemon))
  await Promise.race([stopped, Promise.all([daemon.open(), reloader.start()])])
}

/**
 * Loads the code of the metrics on demand, because code of unused features would occupy memory for
 * the lifetime of the process.
 */
async function loadMetrics(): Promise<DaemonMetrics> {
  const { DaemonMetrics } = await import('./daemon/daemon-metrics.js')
  return new DaemonMetrics()
}

/**
 * Reloads the configuration on SIGHUP. If the configuration cannot be read twice, for example from
 * standard input, no handler is installed and SIGHUP ends the process.
 */
function reloadOnHangup(daemon: Daemon): Part {
  // daemon.reload() logs its error itself, so the rejection is ignored.
  const reload = () => void daemon.reload().catch(() => undefined)
  process.on('SIGHUP', reload)
  return { close: async () => void process.off('SIGHUP', reload) }
}

async function serve(daemon: Daemon, addr: string, onFailed: (error: unknown) => void): Promise<HttpServer> {
  const { HttpServer } = await import('../status/http-server.js')
  const { daemonSource } = await import('./daemon/status-source.js')
  const server = await HttpServer.listen(daemonSource(daemon, daemon.metrics!), addr, onFailed)
  daemon.logger.info({ addr: server.address }, 'serving metrics and status')
  return server
}

async function serveMcp(daemon: Daemon, addr: string, onFailed: (error: unknown) => void): Promise<McpServer> {
  const { McpServer } = await import('./mcp/mcp-server.js')
  return McpServer.listen(daemon, addr, onFailed)
}

async function listenForControl(daemon: Daemon, onFailed: (error: unknown) => void): Promise<ControlSocket> {
  const { ControlSocket } = await import('./daemon/control-socket.js')
  return ControlSocket.listen(daemon, daemon.config.socket, onFailed)
}

/**
 * Starts the program of `exec` after all missing databases were restored. If the program started
 * before the restores, it might create an empty database. Returns undefined if the process stops
 * before all missing databases were restored.
 */
async function startChild(daemon: Daemon, command: string, stopped: Promise<undefined>): Promise<Child | undefined> {
  const waiting = daemon.databases.filter((database) => !database.isRestored)
  if (waiting.length > 0) {
    const paths = waiting.map(({ path }) => path).join(', ')
    daemon.logger.warn({ db: paths }, 'the exec command starts when the database is restored')
  }
  const restored = Promise.all(waiting.map((database) => database.restored)).then(() => 'restored' as const)
  if ((await Promise.race([restored, stopped])) !== 'restored') return undefined
  const { Child } = await import('./daemon/child.js')
  return Child.start(command)
}

/**
 * Shuts the daemon down and returns the exit status. `end` describes how the program of `exec`
 * ended, or is undefined if a signal or an error ends this process.
 */
async function finish(
  daemon: Daemon,
  parts: readonly Part[],
  child: Child | undefined,
  end: ChildEnd | undefined,
  stopping: AbortSignal,
): Promise<number> {
  const { logger } = daemon
  if (end) logger.info({ ...end }, 'exec command ended, litestream shutting down')
  else {
    const { reason } = stopping
    const signal = reason instanceof Interrupted ? reason.signal : 'SIGTERM'
    if (reason instanceof Interrupted) logger.info({ signal }, 'signal received, litestream shutting down')
    const patience = daemon.config.execStopTimeout
    // If this process has sent a signal to the program, the program's exit status is ignored.
    await child?.stop(signal, patience, () => {
      logger.warn({ signal, after: formatDuration(patience) }, 'the exec command did not end, killing it')
    })
  }
  const failed = await close(daemon, parts)
  return end?.status || (failed.length === 0 ? 0 : 1)
}

async function close(daemon: Daemon, parts: readonly Part[]): Promise<string[]> {
  for (const part of parts) await part.close()
  const failed = await daemon.close()
  if (failed.length > 0) daemon.logger.error({ databases: failed }, 'some databases are not replicated')
  daemon.logger.info('litestream shut down')
  return failed
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    onAbort(signal, () => resolve(undefined))
  })
}
