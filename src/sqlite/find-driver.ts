import { isBuiltin } from 'node:module'
import { LitestreamError } from '../errors.js'
import { localRequire } from '../package-files.js'
import { betterSqlite3 } from './better-sqlite3.js'
import { DRIVER_NAMES, type Driver, type DriverName } from './connection.js'
import { type NodeSqlite, nodeSqlite } from './node-sqlite.js'

/**
 * From this version on, better-sqlite3 needs Node-API 10; on an older Node.js it crashes the
 * process instead of failing.
 */
const NODE_API_10_MAJOR = 13

/** Why a driver cannot be used. */
interface Absent {
  readonly reason: string
}

function findBetterSqlite3(): Driver | Absent {
  try {
    const { version } = localRequire('better-sqlite3/package.json') as { version: string }
    if (Number.parseInt(version, 10) >= NODE_API_10_MAJOR && Number(process.versions.napi) < 10) {
      return {
        reason: `better-sqlite3 ${version} needs Node.js 22.14 or later; better-sqlite3 12 supports this version`,
      }
    }
    const driver = betterSqlite3(localRequire('better-sqlite3'))
    // The first connection loads the binary, which may be missing or built for another Node.js.
    driver.open(':memory:').close()
    return driver
  } catch (error) {
    const [first] = (error as Error).message.split('\n')
    return { reason: `better-sqlite3: ${first}` }
  }
}

/** Loads node:sqlite without its ExperimentalWarning: the application may never use it. */
function findNodeSqlite(): Driver | Absent {
  if (!isBuiltin('node:sqlite')) return { reason: `Node.js ${process.versions.node} has no node:sqlite` }
  const { emitWarning } = process
  process.emitWarning = () => {}
  try {
    return nodeSqlite(localRequire('node:sqlite') as NodeSqlite)
  } catch (error) {
    return { reason: `node:sqlite: ${(error as Error).message}` }
  } finally {
    process.emitWarning = emitWarning
  }
}

const FIND: Readonly<Record<DriverName, () => Driver | Absent>> = {
  'better-sqlite3': findBetterSqlite3,
  'node:sqlite': findNodeSqlite,
}

const found = new Map<DriverName, Driver | Absent>()

function look(name: DriverName): Driver | Absent {
  let driver = found.get(name)
  if (!driver) {
    driver = FIND[name]()
    found.set(name, driver)
  }
  return driver
}

/** Every driver that this process can use. */
export function allDrivers(): Driver[] {
  return DRIVER_NAMES.map(look).filter((one): one is Driver => 'open' in one)
}

/**
 * The driver with this name; without a name, better-sqlite3 if it is installed and built, otherwise
 * node:sqlite. Throws DRIVER_MISSING.
 */
export function findDriver(name?: DriverName): Driver {
  const names = name === undefined ? DRIVER_NAMES : [name]
  const reasons: string[] = []
  for (const one of names) {
    const driver = look(one)
    if ('open' in driver) return driver
    reasons.push(driver.reason)
  }
  throw new LitestreamError('DRIVER_MISSING', `no SQLite driver can be used: ${reasons.join('; ')}`, {
    hint:
      'Use Node.js 22.13 or later, which has node:sqlite, or install better-sqlite3 beside litestream-ts: ' +
      '`npm install better-sqlite3` (`better-sqlite3@12` on Node.js 20; pnpm, yarn and bun must be allowed to build it).',
  })
}
