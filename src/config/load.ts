import { readFileSync, statSync } from 'node:fs'
import { isLitestreamError, LitestreamError, toLitestreamError } from '../errors.js'
import { readRegularSync } from '../fs/open-regular-sync.js'
import { DEFAULTS } from './defaults.js'
import { expandEnv, type UnsetVariable } from './expand-env.js'
import { expandPath } from './expand-path.js'
import { parseConfig } from './parse.js'
import { resolveConfig } from './resolve.js'
import type { Config } from './types.js'

export interface LoadConfigOptions {
  /**
   * Path of the configuration file, or `-` for standard input. The default is the value of the
   * environment variable LITESTREAM_CONFIG, or /etc/litestream.yml if the variable is not set.
   */
  readonly path?: string
  /** Whether `$NAME` in the file is replaced by the environment variable NAME. Default: true. */
  readonly expandEnv?: boolean
}

/**
 * Returns the path of the configuration file, and the name of the flag or variable that contained
 * the path.
 */
export function configPath(path?: string): { readonly path: string; readonly from: string } {
  if (path) return { path: expandPath(path), from: '-config' }
  const env = process.env.LITESTREAM_CONFIG
  return env ? { path: expandPath(env), from: 'LITESTREAM_CONFIG' } : { path: DEFAULTS.configPath, from: 'the default' }
}

/** Parses text as the content of the configuration file `file`. Throws CONFIG_INVALID. */
export function configFromText(text: string, file: string, options: LoadConfigOptions = {}): Config {
  const expanded = options.expandEnv === false ? { text, unset: [] } : expandEnv(text)
  const unset = expanded.unset.map((variable) => unsetWarning(file, variable))
  try {
    const config = resolveConfig(parseConfig(expanded.text, file))
    return { ...config, warnings: [...unset, ...config.warnings] }
  } catch (error) {
    if (unset.length === 0 || !isLitestreamError(error)) throw error
    // The hint lists the unset environment variables, because one of them probably caused the
    // error.
    const { code, message, hint, file: about } = error
    throw new LitestreamError(code, message, { hint: `${hint} Note: ${unset.join('; ')}.`, file: about })
  }
}

function unsetWarning(file: string, { name, line }: UnsetVariable): string {
  const place = `${file}:${line}: environment variable ${name} is not set, so $${name} is replaced by an empty text`
  if (/^[A-Za-z_]\w*$/.test(name)) return place
  if (name.includes(':')) return `${place}; the form \${NAME:-default} is not supported`
  return `${place}; use -no-expand-env if a "$" is part of a value`
}

/** Reads the configuration from standard input. Throws CONFIG_INVALID. */
function readStandardInput(): string {
  try {
    return readFileSync(0, 'utf8')
  } catch (cause) {
    throw new LitestreamError('CONFIG_INVALID', `cannot read standard input: ${(cause as Error).message}`, {
      cause,
      hint: 'Pipe the configuration into the command, as in `litestream-ts replicate -config - < litestream.yml`.',
    })
  }
}

/** Maximum size of a configuration file in bytes. */
const MOST_BYTES = 16 * 1024 * 1024

/**
 * Matches the path of an open file descriptor of this process, which a shell passes for
 * `<(command)`.
 */
const OPEN_FILE = /^\/(?:dev|proc\/self)\/fd\/\d+$|^\/dev\/stdin$/

const NAME_A_FILE = 'Name a regular file with -config, or pipe the configuration into the command with `-config -`.'

/**
 * Reads the text of a configuration file. Refuses a named pipe, because reading it would block the
 * process until another process writes to it. If a reload blocked the process by reading a pipe,
 * replication would stop.
 */
function readText(path: string): string {
  if (OPEN_FILE.test(path)) return readFileSync(path, 'utf8')
  if (statSync(path).isDirectory()) throw Object.assign(new Error(`${path} is a directory`), { code: 'EISDIR' })
  return readRegularSync(path, MOST_BYTES).toString('utf8')
}

/** Reads the configuration file. Throws NOT_FOUND, ACCESS_DENIED or CONFIG_INVALID. */
export function loadConfig(options: LoadConfigOptions = {}): Config {
  if (options.path === '-') return configFromText(readStandardInput(), 'standard input', options)
  const { path, from } = configPath(options.path)
  let text: string
  try {
    text = readText(path)
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (isLitestreamError(cause)) {
      throw new LitestreamError('CONFIG_INVALID', message, { file: path, cause, hint: NAME_A_FILE })
    }
    if (code === 'ENOENT') {
      throw new LitestreamError('NOT_FOUND', `config file not found: ${path}`, {
        file: path,
        cause,
        hint: `Set the path of the configuration file with -config or LITESTREAM_CONFIG, or give a database and a replica URL as arguments. The path that was not found comes from ${from}.`,
      })
    }
    if (code === 'EISDIR') {
      const hint = 'Give the path of the configuration file, not of the directory that contains it.'
      throw new LitestreamError('CONFIG_INVALID', `${path} is a directory`, { file: path, cause, hint })
    }
    const { hint } = toLitestreamError(cause)
    throw new LitestreamError(
      code === 'EACCES' || code === 'EPERM' ? 'ACCESS_DENIED' : 'CONFIG_INVALID',
      `cannot read ${path}: ${message}`,
      { file: path, cause, hint },
    )
  }
  return configFromText(text, path, options)
}
