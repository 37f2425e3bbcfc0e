import { LitestreamError } from '../../errors.js'
import { keyPrefix } from '../keys.js'
import { secretEndpoint } from '../secret-endpoint.js'
import { splitUserinfo, type UrlParts } from '../url-parts.js'
import type { AbsSettings } from './settings.js'

export interface AbsLocation {
  readonly type: 'abs'
  readonly container: string
  /**
   * Path of the replica in the container, without a slash at either end. The path "" means the
   * container itself.
   */
  readonly path: string
  readonly settings: AbsSettings
}

/** Parses `abs://[ACCOUNT[:KEY]@]CONTAINER/PATH[?endpoint=…&sasToken=…]`. Throws INVALID_URL. */
export function parseAbsUrl(parts: UrlParts): AbsLocation {
  const { display, params, quote, userinfo } = parts
  const fromParams: AbsSettings = {
    endpoint: params.parsed('endpoint', secretEndpoint),
    sasToken: params.secret('sasToken'),
  }
  params.rejectRest()
  const container = parts.host ?? ''
  if (container === '') {
    throw new LitestreamError('INVALID_URL', `${display}: the container is missing`, {
      hint: 'Write the replica URL as abs://ACCOUNT@CONTAINER/PATH.',
    })
  }
  if (!/^(\$root|[a-z0-9](?:-?[a-z0-9]){2,62})$/.test(container)) {
    throw new LitestreamError('INVALID_URL', `${display}: ${quote(container)} cannot be the name of a container`, {
      hint: 'Write the replica URL as abs://ACCOUNT@CONTAINER/PATH; a container name has 3 to 63 lower-case letters, digits and single "-".',
    })
  }
  const settings = userinfo === undefined ? fromParams : { ...fromParams, ...accountOf(userinfo, display) }
  return { type: 'abs', container, path: keyPrefix(parts.path), settings }
}

function accountOf(userinfo: string, display: string): AbsSettings {
  const { user, password } = splitUserinfo(userinfo, display)
  if (user === '') {
    throw new LitestreamError('INVALID_URL', `${display}: the account before the "@" is empty`, {
      hint: 'Write the replica URL as abs://ACCOUNT@CONTAINER/PATH.',
    })
  }
  return password === undefined ? { accountName: user } : { accountName: user, accountKey: password }
}
