import { LitestreamError } from '../../errors.js'
import { maskEndpoint } from '../shown-url.js'

const GOOGLE = 'https://storage.googleapis.com'

/**
 * Returns the address of the service without a trailing slash, and whether the client may send
 * credentials to this address. `given` is the setting `endpoint`. If `given` is undefined,
 * gsEndpoint() uses STORAGE_EMULATOR_HOST, as all Google clients do. `display` names the replica in
 * messages. Throws INVALID_URL.
 */
export function gsEndpoint(
  given: string | undefined,
  display: string,
): { readonly url: string; readonly authorised: boolean } {
  if (given) return { url: origin(given, 'https', 'endpoint', display), authorised: true }
  const emulator = process.env.STORAGE_EMULATOR_HOST
  if (emulator) return { url: origin(emulator, 'http', 'STORAGE_EMULATOR_HOST', display), authorised: false }
  return { url: GOOGLE, authorised: true }
}

function origin(address: string, scheme: string, name: string, display: string): string {
  try {
    const url = new URL(/^https?:\/\//i.test(address) ? address : `${scheme}://${address}`)
    return `${url.protocol}//${url.host}`
  } catch {
    throw new LitestreamError('INVALID_URL', `${display}: "${maskEndpoint(address)}" of ${name} is not an address`, {
      hint: 'Write the endpoint as https://HOST or http://HOST:PORT.',
    })
  }
}
