import { BlockList, isIP } from 'node:net'
import { LitestreamError } from '../../errors.js'
import { rememberSecret } from '../../util/redact.js'

/** The proxy that requests to one target use. */
export interface ProxyServer {
  /**
   * URL of the proxy with user and password, if the variable has them. Only the proxy agent may use
   * `url`, because it can contain a password.
   */
  readonly url: URL
  /** The environment variable that names the proxy. */
  readonly variable: string
  /** The proxy as text for messages, such as `http://host:port (HTTPS_PROXY)`. */
  readonly shown: string
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 }

/**
 * Returns the proxy for requests to `target`, according to HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
 * The lower-case names of the proxy variables take precedence. Returns undefined for a direct
 * connection. NO_PROXY follows the rules of curl and Go, with one difference from Go. Requests to
 * this machine also use the proxy, unless NO_PROXY lists this machine. Throws CONFIG_INVALID for an
 * invalid proxy.
 */
export function proxyFor(target: URL, env: NodeJS.ProcessEnv = process.env): ProxyServer | undefined {
  const name = target.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const variable = [name.toLowerCase(), name].find((one) => env[one])
  if (variable === undefined || isExempt(target, env.no_proxy || env.NO_PROXY || '')) return undefined
  const url = parseProxy(env[variable]!, variable)
  for (const secret of [url.password, decodeURIComponent(url.password)]) if (secret !== '') rememberSecret(secret)
  return { url, variable, shown: `${url.protocol}//${url.host} (${variable})` }
}

function parseProxy(value: string, variable: string): URL {
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`
  // `new URL` is called only for a valid URL, because an error of `new URL` quotes its argument.
  // The URL of a proxy may contain a password.
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && DEFAULT_PORTS[url.protocol] !== undefined && isDecodable(url)) return url
  const why = url === undefined ? 'is not the URL of a proxy' : `names a proxy of the kind "${url.protocol}//"`
  throw new LitestreamError('CONFIG_INVALID', `the environment variable ${variable} ${why}`, {
    hint: `Set ${variable} to http://HOST:PORT or https://HOST:PORT, or unset ${variable}; user and password must be percent-encoded.`,
  })
}

function isDecodable({ username, password }: URL): boolean {
  try {
    decodeURIComponent(username + password)
    return true
  } catch {
    return false
  }
}

/** Whether `exempt`, the value of NO_PROXY, contains the host of `target`. */
function isExempt(target: URL, exempt: string): boolean {
  const host = target.hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
  const port = target.port === '' ? DEFAULT_PORTS[target.protocol] : Number(target.port)
  return exempt
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => entry !== '' && names(entry, host, port))
}

/**
 * Whether one entry of NO_PROXY names the host. An entry is `*`, an address, a network
 * (`10.0.0.0/8`) or a domain. A domain includes its subdomains. An address or a domain may be
 * followed by `:port`.
 */
function names(entry: string, host: string, port: number | undefined): boolean {
  if (entry === '*') return true
  const [, name = entry, onlyPort] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(entry) ?? []
  if (onlyPort !== undefined && Number(onlyPort) !== port) return false
  const plain = name.replace(/^\[|\]$/g, '')
  if (isIP(host) !== 0) return isInNetwork(host, plain)
  const domain = plain.replace(/^\*?\./, '').replace(/\.$/, '')
  if (domain === '') return false
  // The entries ".example.com" and "*.example.com" do not match example.com itself.
  return (host === domain && plain === domain) || host.endsWith(`.${domain}`)
}

function isInNetwork(address: string, network: string): boolean {
  const [base = '', bits] = network.split('/', 2)
  const family = isIP(base) === 6 ? 'ipv6' : 'ipv4'
  if (isIP(base) === 0 || isIP(base) !== isIP(address)) return false
  const most = family === 'ipv6' ? 128 : 32
  const prefix = bits === undefined ? most : Number(bits)
  if (!/^\d{1,3}$/.test(bits ?? '0') || prefix > most) return false
  const list = new BlockList()
  list.addSubnet(base, prefix, family)
  return list.check(address, family)
}
