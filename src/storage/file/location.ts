import os from 'node:os'
import path from 'node:path'
import { LitestreamError } from '../../errors.js'
import type { UrlParts } from '../url-parts.js'
import { windowsDirectory, windowsUrlPath } from './windows-location.js'

export interface FileLocation {
  readonly type: 'file'
  /** Absolute path of the directory. */
  readonly path: string
  /**
   * Absolute paths of other directories that the URL may mean. Another program that interprets the
   * URL differently may have written a replica to one of these other directories.
   */
  readonly alternatives?: readonly string[]
}

const example = (platform: NodeJS.Platform) =>
  `Write the path in full, such as ${platform === 'win32' ? 'file:///C:/backups/app.db' : 'file:///var/backups/app.db'}.`

/**
 * Parses a `file:` URL as Litestream does. The text after `file://`, taken literally, is the path
 * from the root. `%20` and `~` are therefore parts of a name, and `file://x/y` means `/x/y`. Only
 * "?" and "#" must be escaped, as %3F and %23, because an unescaped "?" or "#" ends the path. On
 * Windows, `file:///C:/x` means `C:\x`, and `file://server/share/x` means `\\server\share\x`.
 * Throws INVALID_URL.
 */
export function parseFileUrl(parts: UrlParts, platform: NodeJS.Platform): FileLocation {
  const { display, quote, host, userinfo, rawPath } = parts
  if (userinfo?.includes(':')) {
    // Without this check, user and password of the URL would become a part of the path. Error
    // messages show the path, and would then show the password.
    throw new LitestreamError('INVALID_URL', `${display}: a folder has no user and no password`, {
      hint: example(platform),
    })
  }
  const authority = [userinfo, host].filter((part) => part !== undefined).join('@')
  const written = `${authority}${rawPath}`
  const isRelative = host === undefined && !rawPath.startsWith('/')
  const directory = isRelative ? undefined : directoryOf(authority, rawPath, platform)
  if (directory === undefined) {
    throw new LitestreamError('INVALID_URL', `${display}: ${quote(written)} is not the absolute path of a directory`, {
      hint: example(platform),
    })
  }
  parts.params.rejectRest()
  const readings = platform === 'win32' ? [windowsDirectory(decoded(written) ?? '')] : otherReadings(authority, rawPath)
  const alternatives = readings.flatMap((other) =>
    other === undefined || other === directory || other === '/' ? [] : other,
  )
  return alternatives.length === 0
    ? { type: 'file', path: directory }
    : { type: 'file', path: directory, alternatives: [...new Set(alternatives)] }
}

/** Returns undefined if the path cannot be the path of a directory, or if the path is the root. */
function directoryOf(authority: string, rawPath: string, platform: NodeJS.Platform): string | undefined {
  const written = unescapeDelimiters(`${authority}${rawPath}`)
  if (written.includes('\0')) return undefined
  if (platform === 'win32') {
    return windowsDirectory(authority.toLowerCase() === 'localhost' ? unescapeDelimiters(rawPath) : written)
  }
  const directory = path.posix.resolve('/', `/${written}`)
  return directory === '/' ? undefined : directory
}

/** Returns the URL of `directory`. `directory` is an absolute path. */
export function fileUrl(directory: string, platform: NodeJS.Platform = process.platform): string {
  return `file://${escapeDelimiters(platform === 'win32' ? windowsUrlPath(directory) : directory)}`
}

/** Escapes "?" and "#" in a path for a `file:` URL. */
export function escapeDelimiters(text: string): string {
  // If the path itself contains "%3F" or "%23", escapeDelimiters() inserts "25" after the "%", so
  // that the path survives parsing. The URL parser removes the "25" again.
  return text
    .replaceAll(/%((?:25)*(?:3F|23))/gi, '%25$1')
    .replaceAll('?', '%3F')
    .replaceAll('#', '%23')
}

function unescapeDelimiters(text: string): string {
  return text
    .replaceAll(/%3F/gi, '?')
    .replaceAll('%23', '#')
    .replaceAll(/%25((?:25)*(?:3F|23))/gi, '%$1')
}

function otherReadings(authority: string, rawPath: string): string[] {
  const written = `${authority}${rawPath}`
  const texts = [rawPath.startsWith('/') && authority === 'localhost' ? rawPath : undefined, `/${written}`]
  const readings = texts.flatMap((text) => (text === undefined ? [] : [text, decoded(text), encodeURI(text)]))
  const home = /^\/?~(?=\/|$)/.exec(written)
  if (home) readings.push(path.posix.join(os.homedir(), written.slice(home[0].length)))
  else if (authority !== '') readings.push(path.posix.resolve(written))
  return readings.filter((text) => text !== undefined).map((text) => path.posix.resolve(text))
}

/** Decodes percent escapes. Returns undefined if a "%" does not begin a valid escape. */
function decoded(text: string): string | undefined {
  try {
    const path = decodeURIComponent(text)
    return path.includes('\0') ? undefined : path
  } catch {
    return undefined
  }
}
