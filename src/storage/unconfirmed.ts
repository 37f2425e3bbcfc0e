import { LitestreamError } from '../errors.js'

/**
 * Returns the error for a successful response that does not have the form of a store's response.
 * `what` is a phrase such as "reading s3://…". `file` is the object of the request, or undefined if
 * the request concerns no single object.
 */
export function unconfirmed(what: string, why: string, file?: string): LitestreamError {
  return new LitestreamError('UNAVAILABLE', `${what} failed: ${why}`, {
    file,
    hint: 'Check the endpoint and the network: the server that answers is not the store, or a proxy changes the replies.',
  })
}
