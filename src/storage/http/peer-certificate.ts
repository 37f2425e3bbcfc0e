import type { Socket } from 'node:net'
import type { PeerCertificate, TLSSocket } from 'node:tls'

/** Maximum number of characters of a certificate's name in a message. */
const MAX_NAME = 100

/**
 * If the client refuses the certificate of a server, adds the names in the certificate to the
 * error. Node.js itself reports the names only if the host does not match. The caller must call
 * nameRefusedCertificate() before the TLS handshake has finished.
 */
export function nameRefusedCertificate(socket: Socket, host: string): void {
  let shown: string | undefined
  const tls = socket as TLSSocket
  // Node.js emits the event `secure` before it verifies the certificate. When Node.js emits the
  // error about a refused certificate, the socket no longer has the certificate.
  tls.prependOnceListener('secure' as 'secureConnect', () => {
    if (tls.authorizationError || !tls.authorized) shown = describe(tls.getPeerCertificate(), host)
  })
  tls.once('secureConnect', () => {
    shown = undefined
  })
  tls.prependOnceListener('error', (error) => {
    if (shown !== undefined) error.message += ` (${shown})`
  })
}

function describe(certificate: PeerCertificate, host: string): string | undefined {
  if (!certificate?.subject) return undefined
  const { subject, issuer, valid_to: until } = certificate
  return `the certificate of ${host} is ${name(subject)}, signed by ${name(issuer)}, valid until ${printable(until)}`
}

function name(of: PeerCertificate['subject'] | undefined): string {
  const text = of?.CN ?? of?.O ?? Object.values(of ?? {})[0] ?? 'unknown'
  return `"${printable(String(text))}"`
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, MAX_NAME)
}
