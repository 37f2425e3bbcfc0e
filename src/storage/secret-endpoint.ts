import { Secret } from '../util/secret.js'
import { maskEndpoint, secretsOfUrl } from './shown-url.js'

/**
 * Returns the address of a service (`https://host:port` or `host:port`) as a Secret. The printed
 * form of the Secret omits the user and the password.
 */
export function secretEndpoint(endpoint: string): Secret {
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(endpoint) ? endpoint : `x://${endpoint}`
  return new Secret(endpoint, maskEndpoint(endpoint), secretsOfUrl(url))
}
