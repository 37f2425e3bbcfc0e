import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { freePort } from './free-port.js'
import { ensureInstalled } from './packages.js'
import { type Restartable, startRestartable } from './restartable.js'
import { ServerProcess } from './server-process.js'

export interface SshServer extends Restartable {
  readonly port: number
  /** The user of this process, who may log in with `keyPath`. */
  readonly user: string
  /** A private key of the user, without a passphrase, and the same key with PASSPHRASE. */
  readonly keyPath: string
  readonly encryptedKeyPath: string
  /** The server's public key: `ssh-ed25519 AAAA…`. */
  readonly hostKey: string
  /** A folder that is removed together with the server. */
  readonly directory: string
  /** The text that the server has logged. */
  log(): string
}

export const PASSPHRASE = 'open sesame, 42'

export interface SshOptions {
  /** Arguments of internal-sftp, such as `-P hardlink`, which refuses that request. */
  readonly sftp?: string
  /** Lines of sshd_config. */
  readonly config?: string
}

/**
 * An OpenSSH server of the test's own on 127.0.0.1 and a free port, for the user of this process.
 */
export async function startSshd({ sftp = '', config = '' }: SshOptions = {}): Promise<SshServer> {
  ensureInstalled(['sshd', 'ssh-keygen'], 'run them as root')
  const directory = mkdtempSync(path.join(tmpdir(), 'litestream-sshd-'))
  const file = (name: string) => path.join(directory, name)
  const port = await freePort()
  const makeKey = (name: string, passphrase = '') =>
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', passphrase, '-C', 'test', '-f', file(name)])
  makeKey('host')
  makeKey('user')
  copyFileSync(file('user'), file('encrypted'))
  chmodSync(file('encrypted'), 0o600)
  execFileSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', PASSPHRASE, '-f', file('encrypted')])
  copyFileSync(file('user.pub'), file('authorized'))
  if (process.geteuid?.() === 0 && !existsSync('/run/sshd')) mkdirSync('/run/sshd')
  writeFileSync(
    file('config'),
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${file('host')}`,
      `AuthorizedKeysFile ${file('authorized')}`,
      `PidFile ${file('pid')}`,
      'StrictModes no',
      'PermitRootLogin yes',
      'UsePAM no',
      'MaxStartups 100',
      'MaxSessions 100',
      `Subsystem sftp internal-sftp ${sftp}`,
      config.includes('PasswordAuthentication') ? '' : 'PasswordAuthentication no',
      config,
    ].join('\n'),
  )
  const spawn = () => new ServerProcess('/usr/sbin/sshd', ['-D', '-e', '-f', file('config')], file('log'))
  const lifetime = await startRestartable('sshd', directory, spawn, () => accepts(port))
  return {
    port,
    user: execFileSync('id', ['-un'], { encoding: 'utf8' }).trim(),
    keyPath: file('user'),
    encryptedKeyPath: file('encrypted'),
    hostKey: readFileSync(file('host.pub'), 'utf8').trim().split(' ').slice(0, 2).join(' '),
    directory,
    log: () => readFileSync(file('log'), 'utf8'),
    ...lifetime,
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const end = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('data', () => end(true))
    socket.once('error', () => end(false))
    socket.once('close', () => end(false))
  })
}
