import path from 'node:path'

/**
 * Returns the directory that the text after `file://` means on Windows. Accepts `/C:/x`, `C:/x`,
 * `//server/share/x` and `server/share/x`, with "/" or "\". Returns undefined for a path that has
 * neither a drive nor a server, because such a path depends on the current drive. Also returns
 * undefined for the root of a drive or of a share.
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

/** Converts `directory`, an absolute path of Windows, to the text after `file://`. */
export function windowsUrlPath(directory: string): string {
  const text = directory.replaceAll('\\', '/')
  return text.startsWith('//') ? text.slice(2) : `/${text}`
}
