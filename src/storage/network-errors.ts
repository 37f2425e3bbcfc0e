import type { ErrorCode } from '../errors.js'

/** The error code and the hint for a network failure. */
export interface NetworkFailure {
  readonly code: ErrorCode
  readonly hint: string
}

const RESET = 'Check the network between this machine and the store, and any proxy between them.'
const UNREACHABLE = 'Check the endpoint, the network of this machine and any firewall: the host is unreachable.'

/**
 * Hints for connection failures, by the error code of the system or of Node.js. Each failure in
 * PASSING may be temporary, so a later attempt may succeed.
 */
const PASSING: Readonly<Record<string, string>> = {
  ENOTFOUND: 'Check the host of the endpoint, and the name server of this machine: the host name is unknown.',
  EAI_AGAIN: 'Check the network and the name server of this machine: the name server does not respond.',
  ECONNREFUSED:
    'Check host and port of the endpoint, and check that the store is running: no server listens on this port.',
  ECONNRESET: RESET,
  ECONNABORTED: RESET,
  EPIPE: RESET,
  ETIMEDOUT: UNREACHABLE,
  EHOSTUNREACH: UNREACHABLE,
  ENETUNREACH: UNREACHABLE,
  EHOSTDOWN: UNREACHABLE,
  ENETDOWN: UNREACHABLE,
  EADDRNOTAVAIL: UNREACHABLE,
  EMFILE: 'Raise the limit of open files of this process (ulimit -n).',
  ENFILE: 'Raise the limit of open files of the operating system.',
  ERR_STREAM_PREMATURE_CLOSE: RESET,
  ERR_HTTP2_STREAM_ERROR: RESET,
  ERR_SOCKET_CLOSED: RESET,
  ABORT_ERR: RESET,
}

const NOT_HTTP = 'Check scheme (http or https), host and port of the endpoint: the server does not speak HTTP.'

/** Pattern of the error codes with which OpenSSL or Node.js refuses a certificate. */
const CERTIFICATE = /CERT|SELF_SIGNED|ALT_?NAME|UNABLE_TO_|CRL_|INVALID_CA|HOSTNAME_MISMATCH/

/**
 * Returns an error code and a hint if `error` comes from the network or TLS. Returns undefined for
 * any other error. `authorityHint` tells the user how to configure the authority that signed the
 * server's certificate.
 */
export function networkFailure(error: unknown, authorityHint: string): NetworkFailure | undefined {
  const proxy = proxyFault(error)
  if (proxy !== undefined) return proxy
  const code = networkCode(error)
  if (code === undefined) return undefined
  const passing = PASSING[code]
  if (passing !== undefined) return { code: 'UNAVAILABLE', hint: passing }
  if (code.startsWith('HPE_')) return { code: 'UNAVAILABLE', hint: NOT_HTTP }
  if (CERTIFICATE.test(code)) return { code: 'ACCESS_DENIED', hint: authorityHint }
  if (/^(EPROTO$|ERR_SSL|ERR_TLS)/.test(code)) {
    const hint = 'Check scheme (http or https), host and port of the endpoint: TLS negotiation failed.'
    return { code: 'UNAVAILABLE', hint }
  }
  return undefined
}

/**
 * Returns code and hint for the error of a proxy that refused a connection or is unreachable.
 * proxyFault() compares the name of the error, because an import of http/proxy-fault.ts would be
 * circular.
 */
function proxyFault(error: unknown): NetworkFailure | undefined {
  if (!(error instanceof Error) || error.name !== 'ProxyFault') return undefined
  const { status, hint } = error as Error & { readonly status?: number; readonly hint: string }
  return { code: status === 407 || status === 403 ? 'ACCESS_DENIED' : 'UNAVAILABLE', hint }
}

/**
 * Returns the system's error code of an error, or of one of its causes. A failed connection to a
 * host with several addresses has one error per address.
 */
export function networkCode(error: unknown): string | undefined {
  for (let each = error, depth = 0; each instanceof Error && depth < 5; depth++) {
    const { code, errors } = each as NodeJS.ErrnoException & { readonly errors?: readonly unknown[] }
    if (typeof code === 'string' && code !== '') return code
    each = errors?.[0] ?? each.cause
  }
  return undefined
}
