import path from 'node:path'

/**
 * The directory that the text after `file://` names on Windows, or undefined if it names none:
 * `/C:/x`, `C:/x`, `//server/share/x` and `server/share/x`, with "/" or "\". A path without a drive
 * or a server depends on the current drive, and the root of a drive or of a share is no replica.
 */
export function windowsDirectory(written: string): string | undefined {
  const text = written.replaceAll('/', '\\')
  const [, drive] = /^\\{0,3}([a-z]:\\.*)$/is.exec(text) ?? []
  const found = drive ?? uncPath(text)
  if (found === undefined) return undefined
  const directory = path.win32.resolve(found)
  return directory === path.win32.parse(directory).root ? undefined : directory
}

function uncPath(text: string): string | undefined {
  const [, names] = /^(?:\\\\)?([^\\:?.][^\\:?]*\\[^\\:?].*)$/s.exec(text) ?? []
  return names === undefined ? undefined : `\\\\${names}`
}

/** The text of `directory`, an absolute path of Windows, after `file://`. */
export function windowsUrlPath(directory: string): string {
  const text = directory.replaceAll('\\', '/')
  return text.startsWith('//') ? text.slice(2) : `/${text}`
}
