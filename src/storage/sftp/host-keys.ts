import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import os from 'node:os'
import path from 'node:path'
import { LitestreamError } from '../../errors.js'
import { fsError, isErrno } from '../../fs/fs-error.js'
import { readRegular } from '../../fs/open-regular.js'

/**
 * A host key in the settings or in a known_hosts file. The client accepts a known key unless the
 * key is marked as revoked.
 */
interface KnownKey {
  /**
   * The first field of a key line, such as `ssh-ed25519`. The algorithm is undefined for a
   * fingerprint, which does not name its algorithm.
   */
  readonly algorithm: string | undefined
  readonly matches: (key: Buffer) => boolean
  readonly revoked: boolean
}

/** The accepted and revoked keys of a server. */
export interface HostKeys {
  readonly keys: readonly KnownKey[]
  /** Text for messages that names the setting or the files from which the keys come. */
  readonly source: string
}

/** The reason why the client refuses a key, or undefined if the client accepts the key. */
export type Refusal = { readonly message: string; readonly hint: string } | undefined

const ALGORITHM = /^(ssh|ecdsa|sk)-[a-z0-9@.-]+$/

/**
 * Parses the setting `host-key`. The setting has one key per line. For an invalid key, throws
 * CONFIG_INVALID with the line that contains the key.
 */
export function parseHostKeys(text: string): HostKeys {
  const keys = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map(parseHostKey)
  if (keys.length === 0) throw invalidKey('""')
  return { keys, source: '`host-key`' }
}

function parseHostKey(line: string): KnownKey {
  if (/^SHA256:[A-Za-z0-9+/]{43}=?$/.test(line)) {
    const wanted = line.replace(/=$/, '')
    return { algorithm: undefined, matches: (key) => fingerprint(key) === wanted, revoked: false }
  }
  const [algorithm, base64] = line.split(/\s+/)
  const known = keyOf(algorithm, base64, false)
  if (known === undefined) throw invalidKey(JSON.stringify(line.slice(0, 60)))
  return known
}

function invalidKey(shown: string): LitestreamError {
  return new LitestreamError('CONFIG_INVALID', `the SFTP \`host-key\` ${shown} is not a public key`, {
    hint: 'Write a line such as "ssh-ed25519 AAAA…" (`ssh-keyscan HOST` prints it without the host) or "SHA256:…".',
  })
}

function keyOf(algorithm: string | undefined, base64: string | undefined, revoked: boolean): KnownKey | undefined {
  if (algorithm === undefined || base64 === undefined || !ALGORITHM.test(algorithm)) return undefined
  if (!/^[A-Za-z0-9+/]{16,}={0,2}$/.test(base64)) return undefined
  const bytes = Buffer.from(base64, 'base64')
  // A binary key begins with the name of its algorithm. The four bytes before the name contain the
  // name's length.
  if (bytes.length < 4 || bytes.subarray(4, 4 + bytes.readUInt32BE(0)).toString('latin1') !== algorithm)
    return undefined
  return { algorithm, matches: (key) => key.length === bytes.length && timingSafeEqual(key, bytes), revoked }
}

/**
 * Reads the keys of a host from known_hosts files. If `file` is undefined, ignores missing
 * known_hosts files. Ignores certificate authorities in the files. Throws CONFIG_INVALID for a file
 * that cannot be read.
 */
export async function readKnownHosts(host: string, port: number, file: string | undefined): Promise<HostKeys> {
  const files = file === undefined ? defaultFiles() : [file]
  const keys: KnownKey[] = []
  for (const each of files) {
    try {
      keys.push(...knownKeys((await readRegular(each)).toString('utf8'), host, port))
    } catch (cause) {
      if (file === undefined && isErrno(cause, 'ENOENT')) continue
      const { message } = fsError(cause, 'reading', each)
      throw new LitestreamError('CONFIG_INVALID', message, {
        cause,
        file: each,
        hint: 'Correct `known-hosts`, make the file readable, or set `host-key`.',
      })
    }
  }
  return { keys, source: files.join(' and ') }
}

function defaultFiles(): string[] {
  return [path.join(os.homedir(), '.ssh/known_hosts'), '/etc/ssh/ssh_known_hosts']
}

/**
 * Returns the keys in those lines of `text` that name the host. `text` has the format of
 * known_hosts (sshd(8)). Ignores the lines for other hosts, as ssh does.
 */
function knownKeys(text: string, host: string, port: number): KnownKey[] {
  const name = port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`
  const keys: KnownKey[] = []
  for (const line of text.split(/\r?\n/)) {
    const fields = line.trim().split(/\s+/)
    const marker = fields[0]?.startsWith('@') ? fields.shift() : undefined
    if (marker !== undefined && marker !== '@revoked') continue
    const [hosts, algorithm, base64] = fields
    if (hosts === undefined || hosts.startsWith('#') || !isFor(hosts, name)) continue
    const key = keyOf(algorithm, base64, marker !== undefined)
    if (key !== undefined) keys.push(key)
  }
  return keys
}

function isFor(hosts: string, name: string): boolean {
  const hashed = /^\|1\|([A-Za-z0-9+/=]+)\|([A-Za-z0-9+/=]+)$/.exec(hosts)
  if (hashed !== null) {
    const [salt, hash] = hashed.slice(1).map((part) => Buffer.from(part, 'base64')) as [Buffer, Buffer]
    return createHmac('sha1', salt).update(name).digest().equals(hash)
  }
  const patterns = hosts.toLowerCase().split(',')
  const negated = patterns.filter((pattern) => pattern.startsWith('!')).map((pattern) => pattern.slice(1))
  const plain = patterns.filter((pattern) => !pattern.startsWith('!'))
  return plain.some((pattern) => fits(pattern, name)) && !negated.some((pattern) => fits(pattern, name))
}

/**
 * Whether `name` matches a pattern. In the pattern, `*` and `?` have the same meaning as in a
 * shell. After a mismatch, fits() continues at the latest star, because earlier stars cannot change
 * the result.
 */
function fits(pattern: string, name: string): boolean {
  let p = 0
  let star = -1
  let mark = 0
  for (let n = 0; n < name.length; ) {
    if (p < pattern.length && (pattern[p] === '?' || (pattern[p] === name[n] && pattern[p] !== '*'))) {
      p++
      n++
    } else if (pattern[p] === '*') {
      star = p++
      mark = n
    } else if (star >= 0) {
      p = star + 1
      n = ++mark
    } else return false
  }
  while (pattern[p] === '*') p++
  return p === pattern.length
}

/**
 * Returns the reason why the client must refuse a server's key, or undefined if the client accepts
 * the key. `where` is the host and the port of the server, for messages.
 */
export function checkHostKey({ keys, source }: HostKeys, key: Buffer, where: string): Refusal {
  const found = `${algorithmOf(key)} ${fingerprint(key)}`
  if (keys.some(({ revoked, matches }) => revoked && matches(key))) {
    return {
      message: `the host key of ${where}, ${found}, is revoked in ${source}`,
      hint: 'Do not connect: the key may be stolen. Ask the administrator of the server for its new key.',
    }
  }
  const valid = keys.filter(({ revoked }) => !revoked)
  if (valid.some(({ matches }) => matches(key))) return undefined
  const line = `${algorithmOf(key)} ${key.toString('base64')}`
  if (valid.length === 0) {
    return {
      message: `the host key of ${where} is not known: the server has ${found}, but ${source} has no key for this host`,
      hint: `Compare the fingerprint with the output of ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub on the server. If they match, set \`host-key: ${line}\` or add the host to known_hosts with ssh-keyscan. \`insecure-host-key: true\` accepts any key, as Litestream does.`,
    }
  }
  return {
    message: `the host key of ${where} is ${found}, which is not the key in ${source}`,
    hint: `Find out whether the server has a new key, or whether another machine answers. If the key is new, set \`host-key: ${line}\`, or correct ${source}.`,
  }
}

/**
 * Returns the supported signature algorithms in the order in which the client offers them. The
 * algorithms of known keys come first, because a server with several keys chooses its key by
 * algorithm.
 */
export function preferredAlgorithms({ keys }: HostKeys, supported: readonly string[]): string[] {
  const signatures = (algorithm: string) =>
    algorithm === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'] : [algorithm]
  const known = keys.flatMap(({ algorithm, revoked }) =>
    algorithm === undefined || revoked ? [] : signatures(algorithm),
  )
  return [...new Set([...known, ...supported])].filter((algorithm) => supported.includes(algorithm))
}

export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`
}

function algorithmOf(key: Buffer): string {
  const length = key.length < 4 ? 0 : Math.min(key.readUInt32BE(0), 64)
  return key
    .subarray(4, 4 + length)
    .toString('latin1')
    .replace(/[^\x20-\x7e]/g, '?')
}
