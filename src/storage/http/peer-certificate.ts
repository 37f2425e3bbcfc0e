import type { Socket } from 'node:net'
import type { PeerCertificate, TLSSocket } from 'node:tls'

/** Maximum length of a certificate's name in a message. */
const MAX_NAME = 100

/**
 * Adds the certificate's names to the error of a refused certificate: Node.js reports them only for
 * a wrong host. The socket must not have finished its handshake.
 */
export function nameRefusedCertificate(socket: Socket, host: string): void {
  let shown: string | undefined
  const tls = socket as TLSSocket
  // Emitted before the certificate is verified; when the error is emitted, the certificate is gone.
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
