import { isBuiltin } from 'node:module'
import path from 'node:path'
import { LitestreamError } from '../errors.js'
import { localRequire } from '../package-files.js'
import { betterSqlite3 } from './better-sqlite3.js'
import { DRIVER_NAMES, type Driver, type DriverChoice, type DriverName } from './connection.js'
import { requireBetterSqlite3 } from './driver-class.js'
import { type NodeSqlite, nodeSqlite } from './node-sqlite.js'

/**
 * The first major version of better-sqlite3 that needs Node-API 10. If Node.js is too old for this
 * version, loading the version crashes the process instead of throwing an error.
 */
const NODE_API_10_MAJOR = 13

/** A driver that the process cannot use, and the reason. */
interface Absent {
  readonly reason: string
}

/**
 * `module` is the name of a package, or the path of the main file of one copy of better-sqlite3.
 */
function findBetterSqlite3(module: string): Driver | Absent {
  try {
    const { version } = localRequire(packageFileOf(module)) as { version: string }
    if (Number.parseInt(version, 10) >= NODE_API_10_MAJOR && Number(process.versions.napi) < 10) {
      return {
        reason: `better-sqlite3 ${version} needs Node.js 22.14 or later; better-sqlite3 12 supports this version`,
      }
    }
    const driver = betterSqlite3(requireBetterSqlite3(module) as Parameters<typeof betterSqlite3>[0])
    // The first connection loads the binary of better-sqlite3. Loading fails if npm did not build
    // the binary, or built the binary for another version of Node.js.
    driver.open(':memory:').close()
    return driver
  } catch (error) {
    const [first] = (error as Error).message.split('\n')
    return { reason: `better-sqlite3: ${first}` }
  }
}

/**
 * The path of the package.json of better-sqlite3. The main file of better-sqlite3 is lib/index.js.
 */
function packageFileOf(module: string): string {
  if (!path.isAbsolute(module)) return `${module}/package.json`
  return path.join(path.dirname(path.dirname(module)), 'package.json')
}

/**
 * Loads node:sqlite and suppresses its ExperimentalWarning, because the application may never use
 * node:sqlite.
 */
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
  'better-sqlite3': () => findBetterSqlite3('better-sqlite3'),
  'node:sqlite': findNodeSqlite,
}

/**
 * The result of each search for a driver, with the driver's name or the module's path as the key.
 */
const found = new Map<string, Driver | Absent>()

function look(choice: DriverChoice): Driver | Absent {
  const key = typeof choice === 'string' ? choice : choice.module
  let driver = found.get(key)
  if (!driver) {
    driver = typeof choice === 'string' ? FIND[choice]() : findBetterSqlite3(choice.module)
    found.set(key, driver)
  }
  return driver
}

/** All drivers that this process can use. */
export function allDrivers(): Driver[] {
  return DRIVER_NAMES.map((name) => look(name)).filter((one): one is Driver => 'open' in one)
}

/**
 * Returns the driver that the caller chose. Without a choice, returns better-sqlite3 if that
 * package is installed and built. If better-sqlite3 is not installed or not built, returns
 * node:sqlite. Throws DRIVER_MISSING.
 */
export function findDriver(choice?: DriverChoice): Driver {
  const names = choice === undefined ? DRIVER_NAMES : [choice]
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
