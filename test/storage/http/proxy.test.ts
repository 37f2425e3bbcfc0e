import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLitestreamError } from '../../../src/errors.js'
import { proxyFor } from '../../../src/storage/http/proxy.js'
import { withoutSecrets } from '../../../src/util/redact.js'

const PROXY = 'http://proxy:3128'
const proxied = (url: string, exempt: string, env: NodeJS.ProcessEnv = { HTTP_PROXY: PROXY, HTTPS_PROXY: PROXY }) =>
  proxyFor(new URL(url), { ...env, NO_PROXY: exempt }) !== undefined

test('the environment variable for the URL scheme names the proxy, and the lower-case variable takes precedence', () => {
  const shown = (url: string, env: NodeJS.ProcessEnv) => proxyFor(new URL(url), env)?.shown
  assert.equal(shown('https://store', { HTTPS_PROXY: PROXY }), 'http://proxy:3128 (HTTPS_PROXY)')
  assert.equal(shown('http://store', { HTTPS_PROXY: PROXY }), undefined)
  assert.equal(shown('http://store', { HTTP_PROXY: PROXY }), 'http://proxy:3128 (HTTP_PROXY)')
  assert.equal(shown('https://store', { HTTP_PROXY: PROXY }), undefined)
  assert.equal(shown('http://store', { HTTP_PROXY: PROXY, http_proxy: 'lower:1' }), 'http://lower:1 (http_proxy)')
  assert.equal(shown('http://store', { HTTP_PROXY: PROXY, http_proxy: '' }), 'http://proxy:3128 (HTTP_PROXY)')
  assert.equal(shown('http://127.0.0.1', { http_proxy: 'https://proxy' }), 'https://proxy (http_proxy)')
})

test('NO_PROXY accepts hosts, domains, addresses, networks and ports', () => {
  const rows: readonly (readonly [string, string, boolean])[] = [
    ['http://store.example.com', '', true],
    ['http://store.example.com', '*', false],
    ['http://store.example.com', 'store.example.com', false],
    ['http://Store.Example.COM.', 'STORE.example.com', false],
    ['http://store.example.com', 'example.com', false],
    ['http://store.example.com', 'other.com, .example.com', false],
    ['http://store.example.com', 'other.com example.com', false],
    ['http://store.example.com', '*.example.com', false],
    ['http://example.com', '.example.com', true],
    ['http://badexample.com', 'example.com', true],
    ['http://store.example.com', 'store.example.com:80', false],
    ['https://store.example.com', 'store.example.com:80', true],
    ['https://store.example.com:9000', 'example.com:9000', false],
    ['http://10.1.2.3:9000', '10.0.0.0/8', false],
    ['http://11.1.2.3:9000', '10.0.0.0/8', true],
    ['http://10.1.2.3', '10.1.2.3', false],
    ['http://10.1.2.3', '10.1.2.3:81', true],
    ['http://10.1.2.3', '.3', true],
    ['http://[fd00::1]:9000', 'fd00::1', false],
    ['http://[fd00::1]:9000', 'fd00::/8', false],
    ['http://[fd00::1]:9000', '[fd00::1]:9000', false],
    ['http://[fd00::1]:9000', '10.0.0.0/8', true],
    ['http://localhost:9000', 'localhost', false],
    ['http://store', '10.0.0.0/99,/,.,:80', true],
  ]
  for (const [url, exempt, expected] of rows) assert.equal(proxied(url, exempt), expected, `${url} by ${exempt}`)
  assert.equal(proxyFor(new URL('http://a.b'), { http_proxy: PROXY, no_proxy: 'b', NO_PROXY: 'x' }), undefined)
})

test('the error for an invalid proxy variable does not show the password in the variable', () => {
  for (const value of [
    'socks5://proxy:1080',
    'http://user:pass%word-1@proxy',
    'http://',
    'http://a b:pass%word-1@c:x',
  ]) {
    assert.throws(
      () => proxyFor(new URL('http://store'), { HTTP_PROXY: value }),
      (error) =>
        isLitestreamError(error, 'CONFIG_INVALID') &&
        /HTTP_PROXY/.test(error.message) &&
        /HTTP_PROXY/.test(error.hint) &&
        !/word-1/.test(error.message),
    )
  }
  const proxy = proxyFor(new URL('http://store'), { HTTP_PROXY: 'http://user:p%40sswort-7@proxy:3128' })!
  assert.equal(proxy.shown, 'http://proxy:3128 (HTTP_PROXY)')
  assert.equal(withoutSecrets('p@sswort-7 and p%40sswort-7'), '*** and ***')
})
