import { LitestreamError } from '../errors.js'

/**
 * Returns the key that identifies a replica in native code. The key of a replica has one line
 * `name=value` per parameter, sorted by name. Throws CONFIG_INVALID if a value contains a line
 * break.
 */
export function formatKey(parameters: Readonly<Record<string, string>>): string {
  for (const [name, value] of Object.entries(parameters)) if (value.includes('\n')) throw lineBreak(name)
  return Object.entries(parameters)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('\n')
}

function lineBreak(name: string): LitestreamError {
  return new LitestreamError('CONFIG_INVALID', `${name}: the value contains a line break`, {
    hint: 'Remove the line break: paths and URLs with line breaks are not supported.',
  })
}

export function parseKey(key: string): Record<string, string> {
  return Object.fromEntries(
    key
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const equals = line.indexOf('=')
        return [line.slice(0, equals), line.slice(equals + 1)]
      }),
  )
}

/**
 * SQLite's own URI parameters that a replica refuses. The file native/vfs/vfs.cc passes `immutable`
 * and `nolock` on, so that the error message can name these parameters.
 */
const UNLOCKED: readonly string[] = ['immutable', 'nolock']
/**
 * The errors for database names that native/vfs/vfs.cc refused to open. The keys of REFUSED_NAMES
 * are the parameters with which native code reports the refusal. Each function in REFUSED_NAMES
 * gets the value of its parameter.
 */
const REFUSED_NAMES: ReadonlyMap<string, (value: string) => { message: string; hint: string }> = new Map([
  [
    'without_vfs',
    () => ({
      message: 'the URI names a replica, but has no vfs=litestream',
      hint: 'Add vfs=litestream to the URI. Without vfs=litestream, SQLite would open an ordinary file.',
    }),
  ],
  [
    'uri_as_path',
    () => ({
      message: 'the URI of a replica was used as a path',
      hint: 'Pass the URI to the driver unchanged: do not join the URI to a folder and do not resolve the URI.',
    }),
  ],
  [
    'name_bytes',
    (most: string) => ({
      message: `the URI of the replica is longer than ${most} bytes, too long for a connection opened before the VFS was loaded`,
      hint: 'Call openReplica() or load() before you open the connection, or shorten the URI of the replica.',
    }),
  ],
  [
    'old_connection',
    () => ({
      message: 'the connection was opened before the VFS was loaded',
      hint: 'Call openReplica() or load() before you open the connection.',
    }),
  ],
  [
    'mixed_transaction',
    () => ({
      message:
        'one transaction wrote to a replica and to an attached file that is not in WAL mode; the transaction was rolled back',
      hint: 'Open the ordinary database as the main database and attach the replica, or set `PRAGMA journal_mode = WAL` on the ordinary database.',
    }),
  ],
])

/**
 * Throws CONFIG_INVALID if `name` is a parameter that native code adds to the key to report a
 * refused URI.
 */
export function checkRefused(name: string, value: string): void {
  if (name === 'line_break') throw lineBreak('a parameter of the URI')
  if (UNLOCKED.includes(name)) {
    throw new LitestreamError('CONFIG_INVALID', `${name}=${value} cannot be used with a replica`, {
      hint: 'Remove this parameter from the URI. With this parameter, SQLite takes no locks, so one transaction would read pages of several TXIDs.',
    })
  }
  const refused = REFUSED_NAMES.get(name)
  if (refused) {
    const { message, hint } = refused(value)
    throw new LitestreamError('CONFIG_INVALID', message, { hint })
  }
}
