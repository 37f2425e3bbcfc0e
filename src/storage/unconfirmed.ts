import { LitestreamError } from '../errors.js'

/**
 * The error for a successful response that is not in the form of the store. `what`: "reading
 * s3://…"; `file`: the object of the request, if it has one.
 */
export function unconfirmed(what: string, why: string, file?: string): LitestreamError {
  return new LitestreamError('UNAVAILABLE', `${what} failed: ${why}`, {
    file,
    hint: 'Check the endpoint and the network: a server that is not the store answers there, or a proxy changes replies.',
  })
}
