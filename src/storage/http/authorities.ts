import { X509Certificate } from 'node:crypto'
import type { SecureContext } from 'node:tls'
import { LitestreamError } from '../../errors.js'
import { readRegular } from '../../fs/open-regular.js'
import { expandHome } from '../../util/home.js'

/** The certificate authorities of a file, together with those of Node.js. */
export interface Authorities {
  readonly context: SecureContext
  /**
   * The setting and the file as text for messages, such as `ca-file /path` or
   * `AWS_CA_BUNDLE=/path`.
   */
  readonly shown: string
}

/**
 * Environment variables that name a file with certificate authorities, in order of precedence. The
 * setting `ca-file` takes precedence over the variables AWS_CA_BUNDLE and SSL_CERT_FILE.
 */
const VARIABLES = ['AWS_CA_BUNDLE', 'SSL_CERT_FILE'] as const

/**
 * Reads the certificate authorities from the PEM file that `ca-file`, AWS_CA_BUNDLE or
 * SSL_CERT_FILE names, in this order of precedence. Returns undefined if neither the setting nor
 * any of the variables is set. Throws CONFIG_INVALID for a file that cannot be read or contains no
 * certificate.
 */
export async function authorities(caFile: string | undefined): Promise<Authorities | undefined> {
  const variable = VARIABLES.find((name) => process.env[name])
  const named = caFile ?? (variable && process.env[variable])
  if (!named) return undefined
  const file = expandHome(named)
  const shown = caFile === undefined ? `${variable}=${file}` : `ca-file ${file}`
  const own = [...(await extra()), ...(await certificatesOf(file, caFile === undefined ? variable! : 'ca-file'))]
  const text = own.join('\n')
  if (latest?.text !== text) {
    const { createSecureContext, rootCertificates } = await import('node:tls')
    latest = { text, context: createSecureContext({ ca: [...rootCertificates, ...own] }) }
  }
  return { context: latest.context, shown }
}

/**
 * The most recently created TLS context. Parsing certificates takes milliseconds, and a process
 * usually uses one file for all its replicas.
 */
let latest: { readonly text: string; readonly context: SecureContext } | undefined

async function certificatesOf(file: string, setting: string): Promise<string[]> {
  const invalid = (why: string, cause?: unknown) =>
    new LitestreamError('CONFIG_INVALID', `${setting}: ${file} ${why}`, {
      cause,
      file,
      hint: `Set ${setting} to a PEM file with the certificates of trusted authorities, or remove this setting.`,
    })
  let text: string
  try {
    text = String(await readRegular(file))
  } catch (cause) {
    throw invalid(`cannot be read: ${(cause as Error).message}`, cause)
  }
  const found = text.match(/-----BEGIN (TRUSTED )?CERTIFICATE-----[\s\S]+?-----END \1?CERTIFICATE-----/g) ?? []
  if (found.length === 0) throw invalid('contains no certificate')
  try {
    // Checks only the first certificate of the file, because the bundle of an operating system has
    // more than a hundred certificates.
    new X509Certificate(found[0]!.replaceAll('TRUSTED ', ''))
  } catch (cause) {
    throw invalid(`contains a damaged certificate: ${(cause as Error).message}`, cause)
  }
  return found
}

/**
 * Reads the certificate authorities of NODE_EXTRA_CA_CERTS. Node.js ignores NODE_EXTRA_CA_CERTS if
 * a program passes certificate authorities.
 */
async function extra(): Promise<string[]> {
  const file = process.env.NODE_EXTRA_CA_CERTS
  if (!file) return []
  try {
    return [String(await readRegular(file))]
  } catch {
    return [] // Node.js has warned about it at the start of the process
  }
}
