import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { until } from '../until.js'
import { freePort } from './free-port.js'
import { ensureInstalled } from './packages.js'
import { ServerProcess } from './server-process.js'

export interface SshServer {
  readonly port: number
  /** The user of this process, who may log in with `keyPath`. */
  readonly user: string
  /** A private key of the user, without a passphrase, and the same key with PASSPHRASE. */
  readonly keyPath: string
  readonly encryptedKeyPath: string
  /** The server's public key: `ssh-ed25519 AAAA…`. */
  readonly hostKey: string
  /** A folder that is removed with the server. */
  readonly directory: string
  /** What the server has logged. */
  log(): string
  /** Kills the server and all of its sessions, as a machine does that loses its power. */
  kill(): Promise<void>
  /** Starts it again, on the same port. */
  start(): Promise<void>
  stop(): Promise<void>
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
  let server: ServerProcess | undefined
  const start = async () => {
    const starting = new ServerProcess('/usr/sbin/sshd', ['-D', '-e', '-f', file('config')], file('log'))
    server = starting
    await until('sshd accepts connections', () => {
      starting.assertRunning()
      return accepts(port)
    })
  }
  const sessions = () =>
    execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/).map(Number) as [number, number])
  const kill = async () => {
    const all = sessions()
    const family = new Set([server!.pid])
    for (let size = 0; size !== family.size; ) {
      size = family.size
      for (const [pid, parent] of all) if (family.has(parent)) family.add(pid)
    }
    family.delete(server!.pid)
    await server!.stop()
    for (const pid of family) {
      try {
        process.kill(pid!, 'SIGKILL')
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
      }
    }
  }
  const stop = async () => {
    if (server?.running) await kill()
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    await start()
  } catch (error) {
    await stop()
    throw error
  }
  return {
    port,
    user: execFileSync('id', ['-un'], { encoding: 'utf8' }).trim(),
    keyPath: file('user'),
    encryptedKeyPath: file('encrypted'),
    hostKey: readFileSync(file('host.pub'), 'utf8').trim().split(' ').slice(0, 2).join(' '),
    directory,
    log: () => readFileSync(file('log'), 'utf8'),
    kill,
    start,
    stop,
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
