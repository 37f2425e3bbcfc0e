import { accessSync, constants } from 'node:fs'
import { createServer } from 'node:http'
import path from 'node:path'
import { findDatabases } from '../config/directories.js'
import { ClaimedPlaces } from '../config/overlaps.js'
import type { Config } from '../config/types.js'
import { isLitestreamError, type LitestreamError, toLitestreamError } from '../errors.js'
import { listen } from '../status/bounded-server.js'
import { type AddressKey, listenAddress } from '../status/listen-address.js'
import { splitAddress } from '../util/address.js'
import { socketFault } from './daemon/control-socket.js'

/** The problems that would occur if `litestream-ts` started with a given configuration. */
export interface StartCheck {
  /** Problems that may no longer exist when the process starts. */
  readonly warnings: readonly string[]
  /** An error that occurs at every start until a user changes the configuration. */
  readonly error: LitestreamError | undefined
}

/**
 * Checks whether a configuration can be used on this machine. Opens no database and no replica, and
 * changes no file.
 */
export async function checkStart(config: Config): Promise<StartCheck> {
  const warnings: string[] = []
  let error = overlapOf(config, warnings)
  const socket = config.socket.enabled ? await socketFault(config.socket.path, { keep: true }) : undefined
  if (socket?.code === 'INVALID_ARGUMENT') error ??= socket
  else if (socket) warnings.push(socket.message)
  if (config.socket.enabled && !socket) warnings.push(...folderWarnings(config.socket.path))
  if (config.addr) warnings.push(...(await addressWarnings('addr', config.addr)))
  if (config.mcpAddr) warnings.push(...(await mcpWarnings(config.mcpAddr)))
  return { warnings, error }
}

/**
 * Returns the error of the first configured database whose paths overlap with the paths of another
 * database. If a directory scan found the database, the overlap is only a warning, because
 * replication skips such a database.
 */
function overlapOf(config: Config, warnings: string[]): LitestreamError | undefined {
  const { databases, faults } = findDatabases(config)
  for (const { path: at, error } of faults) warnings.push(`${at}: ${error.message}`)
  const configured = new Set(config.databases.map((database) => database.path))
  let first: LitestreamError | undefined
  try {
    const places = new ClaimedPlaces(config)
    for (const database of databases) {
      try {
        places.add(database)
      } catch (error) {
        if (isLitestreamError(error, 'INVALID_URL')) continue // configFaults reports it
        if (configured.has(database.path)) first ??= toLitestreamError(error)
        else warnings.push(toLitestreamError(error).message)
      }
    }
  } catch (error) {
    if (!isLitestreamError(error, 'INVALID_URL')) first ??= toLitestreamError(error)
  }
  return first
}

/**
 * A directory without write access is only a warning, because systemd may create the directory at
 * the start, and the process may run as another user.
 */
function folderWarnings(socket: string): string[] {
  // On Windows, the control socket is a named pipe, which needs no directory.
  if (process.platform === 'win32') return []
  const folder = path.dirname(socket)
  try {
    accessSync(folder, constants.W_OK | constants.X_OK)
    return []
  } catch (error) {
    return [
      `control socket ${socket}: this user cannot create a file in ${folder} (${(error as NodeJS.ErrnoException).code})`,
    ]
  }
}

/**
 * A missing MCP library is a warning and not an error, because replication runs without an MCP
 * server.
 */
async function mcpWarnings(addr: string): Promise<string[]> {
  const { loadMcpLibrary } = await import('./mcp/library.js')
  const warnings = await addressWarnings('mcp-addr', addr)
  try {
    loadMcpLibrary()
  } catch (error) {
    const { message, hint } = toLitestreamError(error)
    warnings.push(`mcp-addr ${addr}: ${message}. ${hint}`)
  }
  return warnings
}

async function addressWarnings(key: AddressKey, addr: string): Promise<string[]> {
  const address = splitAddress(addr)
  if (!address) return [] // the configuration was already refused for it
  const warnings =
    address.host === ''
      ? [`${key} ${addr} listens on 127.0.0.1 only; write 0.0.0.0${addr} to listen on every interface`]
      : []
  const server = createServer()
  try {
    await listen(server, listenAddress(address), () => {})
  } catch (error) {
    warnings.push(`${key}: cannot listen on ${addr}: ${(error as Error).message}`)
  } finally {
    server.close()
  }
  return warnings
}
