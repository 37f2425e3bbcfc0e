import { rootCertificates } from 'node:tls'
import type { Authenticator, ConnectionOptions, TlsOptions } from '@nats-io/transport-node'
import { LitestreamError } from '../../errors.js'
import { readRegular } from '../../fs/open-regular.js'
import { milliseconds } from '../../util/duration.js'
import { reveal } from '../../util/secret.js'
import { credsAuthenticator, jwtAuthenticator, nkeyAuthenticator, nkeys } from './library.js'
import type { NatsSettings } from './settings.js'

/**
 * Default timeout and default wait before a reconnection, in milliseconds. The default timeout and
 * the default wait have the same values as in Litestream.
 */
const DEFAULT_TIMEOUT = 10_000
const DEFAULT_RECONNECT_WAIT = 2_000

/** Timeout in milliseconds of a connection attempt or a request. */
export function natsTimeout(settings: NatsSettings): number {
  return milliseconds(settings.timeout ?? DEFAULT_TIMEOUT, 'timeout')
}

/**
 * Returns the options of the NATS client for a connection. Reads the files that the settings name.
 * Throws CONFIG_INVALID for incompatible settings.
 */
export async function connectionOptions(server: string, settings: NatsSettings): Promise<ConnectionOptions> {
  const tls = await tlsOptions(settings)
  return {
    servers: server,
    name: 'litestream-ts',
    timeout: natsTimeout(settings),
    maxReconnectAttempts: settings.maxReconnects ?? -1,
    reconnectTimeWait: milliseconds(settings.reconnectWait ?? DEFAULT_RECONNECT_WAIT, 'reconnectWait'),
    // The client keeps trying to connect after an authentication error, for two reasons: a user may
    // renew an expired password, and a server may just be reloading its accounts.
    ignoreAuthErrorAbort: true,
    // Captures no stack trace per request, because a stack trace would cost more than the request.
    noAsyncTraces: true,
    ...(await authentication(settings)),
    ...(tls === undefined ? {} : { tls }),
  }
}

/**
 * Chooses the authentication in Litestream's order of precedence: JWT with seed, credentials file,
 * NKey, user with password, token.
 */
async function authentication(settings: NatsSettings): Promise<Partial<ConnectionOptions>> {
  const { jwt, seed, creds, nkey, username, password, token } = settings
  if (jwt !== undefined) {
    if (seed === undefined) throw invalid('a NATS `jwt` needs the `seed` that signs for the JWT')
    return { authenticator: jwtAuthenticator(reveal(jwt), checkedSeed(reveal(seed))) }
  }
  if (creds !== undefined) return { authenticator: credentials(await contents(creds, 'creds'), creds) }
  if (nkey !== undefined || seed !== undefined) {
    if (seed === undefined) throw invalid('a NATS `nkey` needs the `seed` that signs for the NKey')
    const bytes = checkedSeed(reveal(seed))
    const own = nkeys.fromSeed(bytes).getPublicKey()
    if (nkey !== undefined && reveal(nkey) !== own)
      throw invalid(`the NATS \`seed\` belongs to ${own}, not to the \`nkey\``)
    return { authenticator: nkeyAuthenticator(bytes) }
  }
  if (username !== undefined) return { user: username, pass: reveal(password) ?? '' }
  if (token !== undefined) return { token: reveal(token) }
  return {}
}

function checkedSeed(seed: string): Uint8Array {
  const bytes = new TextEncoder().encode(seed.trim())
  try {
    nkeys.fromSeed(bytes)
  } catch {
    // The library's error message would quote the seed, so the thrown error does not contain that
    // message.
    throw invalid('the NATS `seed` is not the seed of an NKey: it begins with "SU"')
  }
  return bytes
}

function credentials(bytes: Uint8Array, file: string): Authenticator {
  try {
    const authenticator = credsAuthenticator(bytes)
    authenticator('')
    return authenticator
  } catch {
    // The library's error message would quote the credentials file, so the thrown error does not
    // contain that message.
    throw invalid(`${file} is not a NATS credentials file: it needs a user JWT and an NKey seed`)
  }
}

async function tlsOptions(settings: NatsSettings): Promise<(TlsOptions & Record<string, unknown>) | undefined> {
  const { tls, rootCas, clientCert, clientKey, skipVerify } = settings
  if ((clientCert === undefined) !== (clientKey === undefined)) {
    const lacks = clientCert === undefined ? '`client-cert`' : '`client-key`'
    throw invalid(
      'NATS `client-cert` and `client-key` require each other, but one of the two settings is missing',
      `Set ${lacks} too, or remove the other setting.`,
    )
  }
  const any = tls || rootCas !== undefined || clientCert !== undefined || skipVerify
  if (!any) return undefined
  const authorities = await Promise.all((rootCas ?? []).map((file) => contents(file, 'root-cas')))
  return {
    ...(authorities.length === 0 ? {} : { ca: [...rootCertificates, ...authorities].join('\n') }),
    ...(clientCert === undefined ? {} : { cert: String(await contents(clientCert, 'client-cert')) }),
    ...(clientKey === undefined ? {} : { key: String(await contents(clientKey, 'client-key')) }),
    ...(skipVerify ? { rejectUnauthorized: false } : {}),
  }
}

async function contents(file: string, setting: string): Promise<Buffer> {
  try {
    return await readRegular(file)
  } catch (cause) {
    throw new LitestreamError('CONFIG_INVALID', `cannot read ${file}: ${(cause as Error).message}`, {
      cause,
      file,
      hint: `Correct the NATS setting \`${setting}\`, or make the file readable.`,
    })
  }
}

function invalid(message: string, hint = 'Correct the NATS settings of the replica.'): LitestreamError {
  return new LitestreamError('CONFIG_INVALID', message, { hint })
}
