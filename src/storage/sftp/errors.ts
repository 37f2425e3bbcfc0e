import { type ErrorCode, LitestreamError } from '../../errors.js'
import { networkFailure } from '../network-errors.js'

/** Status codes of SFTP version 3, from section 7 of draft-ietf-secsh-filexfer-02. */
export const STATUS = {
  eof: 1,
  noSuchFile: 2,
  permissionDenied: 3,
  failure: 4,
  noConnection: 6,
  connectionLost: 7,
  unsupported: 8,
} as const

/**
 * An error that ssh2 reports. `code` is an SFTP status, and `level` is the part of SSH that failed.
 */
interface SshError extends Error {
  readonly code?: number | string
  readonly level?: string
}

const CODES: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  [STATUS.noSuchFile]: ['NOT_FOUND', 'Check that the path in the replica URL is correct on the SFTP server.'],
  [STATUS.permissionDenied]: [
    'ACCESS_DENIED',
    'Give the SFTP user read and write permission for the directory of the replica on the server.',
  ],
  [STATUS.failure]: [
    'STORAGE_FAILED',
    'Check the log and the disk of the server, and the permissions of the directory: the server gives no reason.',
  ],
  [STATUS.noConnection]: ['UNAVAILABLE', 'Check the network between this machine and the SFTP server.'],
  [STATUS.connectionLost]: ['UNAVAILABLE', 'Check the network between this machine and the SFTP server.'],
  [STATUS.unsupported]: [
    'STORAGE_FAILED',
    'Use another SFTP server, such as OpenSSH: the current server does not support the request.',
  ],
}

/** Whether `error` is a response of the server with one of the given SFTP statuses. */
export function isStatus(error: unknown, ...statuses: readonly number[]): boolean {
  return error instanceof Error && statuses.includes((error as SshError).code as number)
}

/**
 * Whether the server does not support the request. The server does not support a request if it has
 * not announced the extension, or if its response says so.
 */
export function isUnsupported(error: unknown): boolean {
  return (
    isStatus(error, STATUS.unsupported) ||
    (error instanceof Error && /does not support this extended request/.test(error.message))
  )
}

/**
 * Converts an error of ssh2 to a LitestreamError. `doing` is a verb such as "reading", and `target`
 * is a URL such as `sftp://host/path`.
 */
export function sftpError(thrown: unknown, doing: string, target: string): LitestreamError {
  if (thrown instanceof LitestreamError) return thrown
  const error = thrown as SshError
  const { code, hint } = classify(error)
  return new LitestreamError(code, `${doing} ${target} failed: ${said(error)}`, {
    cause: thrown,
    file: target,
    ...(hint === undefined ? {} : { hint }),
  })
}

function said({ message = '' }: SshError): string {
  return message.split('\n', 1)[0]!.slice(0, 300) || 'no reason given'
}

function classify(error: SshError): { readonly code: ErrorCode; readonly hint?: string } {
  if (typeof error.code === 'number') {
    const [code, hint] = CODES[error.code] ?? [
      'STORAGE_FAILED',
      'Check the log of the SFTP server, which may have more details.',
    ]
    return { code, hint }
  }
  const network = networkFailure(error, '')
  if (network !== undefined) return network
  const { level, message } = error
  if (level === 'client-authentication') {
    return {
      code: 'ACCESS_DENIED',
      hint: 'Check `user`, and `password`, `key-path` or the SSH agent; the public key must be in authorized_keys of the user.',
    }
  }
  if (level === 'client-timeout' || /timed out/i.test(message)) {
    return {
      code: 'TIMEOUT',
      hint: 'Check the host and port in the replica URL, and check that no firewall drops the packets.',
    }
  }
  if (/no matching/i.test(message)) {
    return {
      code: 'STORAGE_FAILED',
      hint: 'Update the SSH server, because the server and this SSH client have no algorithm in common.',
    }
  }
  if (/subsystem|unable to exec|channel open failure/i.test(message)) {
    return {
      code: 'STORAGE_FAILED',
      hint: 'Enable the sftp subsystem on the server (`Subsystem sftp internal-sftp` in sshd_config), and allow the SFTP user to use the subsystem.',
    }
  }
  if (
    level === 'protocol' ||
    level === 'handshake' ||
    /Connection lost|No response from server|Not connected/i.test(message)
  ) {
    return {
      code: 'UNAVAILABLE',
      hint: 'Check that an SSH server listens on the host and port of the replica URL, and check the network to the server.',
    }
  }
  return { code: 'STORAGE_FAILED' }
}
