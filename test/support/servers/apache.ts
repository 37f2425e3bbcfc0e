import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Certificates } from '../certificates.js'
import { freePort } from './free-port.js'
import { ensureInstalled } from './packages.js'
import { type Restartable, startRestartable } from './restartable.js'
import { ServerProcess } from './server-process.js'

export interface ApacheServer extends Restartable {
  readonly port: number
  /** For https; 0 without certificates. */
  readonly tlsPort: number
  /** `http://127.0.0.1:<port>`, below which /dav/ asks for no login, /basic/ and /digest/ do. */
  readonly origin: string
  readonly user: string
  readonly password: string
  /** The folder that all three paths serve. */
  readonly data: string
  /** What the server has logged of requests: method, path and status of each. */
  requests(): string[]
}

const MODULES = '/usr/lib/apache2/modules'
const LOADED = [
  ...['mpm_event', 'authz_core', 'authz_user', 'authn_core', 'authn_file', 'auth_basic', 'auth_digest'],
  ...['dav', 'dav_fs', 'alias', 'setenvif', 'headers', 'rewrite'],
]

/**
 * An Apache with mod_dav_fs on 127.0.0.1 and a free port. `config`: lines of its configuration; in
 * it `<Location /dav>` and the two with logins exist already. `tls`: it speaks https too, on a port of
 * its own. As root it runs as www-data, as it must.
 */
export async function startApache(
  config = '',
  tls?: Pick<Certificates, 'serverCert' | 'serverKey'>,
): Promise<ApacheServer> {
  ensureInstalled(['apache2'], 'run them as root')
  const directory = mkdtempSync(path.join(tmpdir(), 'litestream-apache-'))
  const file = (name: string) => path.join(directory, name)
  const port = await freePort()
  const tlsPort = tls === undefined ? 0 : await freePort()
  const user = 'me and you'
  const password = 'pä:ss"word\\ 1'
  const realm = 'replicas, of tests'
  const digest = execFileSync('md5sum', { input: `${user}:${realm}:${password}`, encoding: 'utf8' }).slice(0, 32)
  writeFileSync(file('digest'), `${user}:${realm}:${digest}\n`)
  // {SHA} needs no tool of Apache's.
  const sha = execFileSync('openssl', ['dgst', '-sha1', '-binary'], { input: password }).toString('base64')
  writeFileSync(file('basic'), `${user}:{SHA}${sha}\n`)
  for (const name of ['data', 'state']) mkdirSync(file(name))
  const asRoot = process.geteuid?.() === 0
  if (asRoot) {
    const [uid, gid] = ['-u', '-g'].map((which) =>
      Number(execFileSync('id', [which, 'www-data'], { encoding: 'utf8' })),
    )
    chmodSync(directory, 0o755)
    for (const name of ['data', 'state']) chownSync(file(name), uid!, gid!)
  }
  const login = (type: 'Basic' | 'Digest') => [
    `AuthType ${type}`,
    `AuthName "${realm}"`,
    `AuthUserFile ${file(type.toLowerCase())}`,
    'Require valid-user',
  ]
  const folder = (name: string, lines: readonly string[]) => [
    `Alias /${name} ${file('data')}`,
    `<Location /${name}>`,
    'Dav On',
    ...lines,
    '</Location>',
  ]
  writeFileSync(
    file('config'),
    [
      ...LOADED.map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`),
      `Listen 127.0.0.1:${port}`,
      'ServerName 127.0.0.1',
      ...(asRoot ? ['User www-data', 'Group www-data'] : []),
      `PidFile ${file('state')}/pid`,
      `DefaultRuntimeDir ${file('state')}`,
      `Mutex file:${file('state')} default`,
      `DavLockDB ${file('state')}/locks`,
      `ErrorLog ${file('log')}`,
      'LogLevel warn',
      'LogFormat "%m %U %>s" plain',
      `CustomLog ${file('requests')} plain`,
      'KeepAliveTimeout 60',
      'MaxKeepAliveRequests 0',
      'ThreadsPerChild 32',
      'DavDepthInfinity Off',
      `<Directory ${file('data')}>`,
      'Require all granted',
      '</Directory>',
      ...folder('dav', ['Require all granted']),
      ...folder('basic', login('Basic')),
      ...folder('digest', login('Digest')),
      ...(tls === undefined
        ? []
        : [
            `LoadModule ssl_module ${MODULES}/mod_ssl.so`,
            `Listen 127.0.0.1:${tlsPort}`,
            `<VirtualHost 127.0.0.1:${tlsPort}>`,
            'SSLEngine on',
            `SSLCertificateFile ${tls.serverCert}`,
            `SSLCertificateKeyFile ${tls.serverKey}`,
            '</VirtualHost>',
          ]),
      config,
      '',
    ].join('\n'),
  )
  const origin = `http://127.0.0.1:${port}`
  const env = { ...process.env, APACHE_RUN_DIR: file('state') }
  const spawn = () => new ServerProcess('/usr/sbin/apache2', ['-f', file('config'), '-DFOREGROUND'], file('log'), env)
  const lifetime = await startRestartable('apache', directory, spawn, () => answers(origin))
  const requests = () => readFileSync(file('requests'), 'utf8').trim().split('\n')
  return { port, tlsPort, origin, user, password, data: file('data'), requests, ...lifetime }
}

function answers(origin: string): Promise<boolean> {
  return new Promise((resolve) => {
    const sent = get(origin, (reply) => {
      reply.resume()
      resolve(true)
    })
    sent.once('error', () => resolve(false))
  })
}
