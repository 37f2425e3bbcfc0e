import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** Whether `command` is in the PATH. */
function installed(command: string): boolean {
  return (process.env.PATH ?? '').split(':').some((directory) => existsSync(`${directory}/${command}`))
}

/**
 * Debian's package for each command that the tests need; a name that is no command is a package of
 * data.
 */
const PACKAGES = {
  'proj-data': 'proj-data',
  radosgw: 'radosgw',
  'ceph-mon': 'ceph-mon',
  'ceph-osd': 'ceph-osd',
  'nats-server': 'nats-server',
  chromium: 'chromium',
  'clang++': 'clang',
  'libclang-rt-dev': 'libclang-rt-dev',
  age: 'age',
  openssl: 'openssl',
  tinyproxy: 'tinyproxy-bin',
  sshd: 'openssh-server',
  'ssh-keygen': 'openssh-client',
  apache2: 'apache2',
  pip3: 'python3-pip',
} as const

export type ServerCommand = keyof typeof PACKAGES

/**
 * Installs the packages of missing `commands` with apt-get, which needs root on Debian. Otherwise
 * throws an error with the alternative `otherwise`: the variable that names a running server.
 */
export function ensureInstalled(commands: readonly ServerCommand[], otherwise: string): void {
  const missing = commands.filter((command) => !installed(command)).map((command) => PACKAGES[command])
  if (missing.length === 0) return
  if (!installed('apt-get') || process.geteuid?.() !== 0) {
    throw new Error(
      `the tests need ${missing.join(', ')}, which only root on a Debian machine can install from here: ` +
        `install ${missing.length === 1 ? 'it' : 'them'} yourself, or ${otherwise}`,
    )
  }
  console.log(`installing ${missing.join(', ')}`)
  aptGet('update')
  aptGet('install', '-y', '--no-install-recommends', ...missing)
}

/** How long to wait for another apt or dpkg to end, seconds. */
const LOCK_TIMEOUT = 600
/** Between two attempts to get a lock that apt-get itself does not wait for, milliseconds. */
const LOCK_RETRY = 2000

/**
 * Runs apt-get once no other apt or dpkg runs. With the option it waits for the lock of dpkg; for
 * that of the package lists, which `update` takes, it has no option.
 */
function aptGet(...args: string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }
  const command = ['-o', `DPkg::Lock::Timeout=${LOCK_TIMEOUT}`, ...args]
  const until = performance.now() + LOCK_TIMEOUT * 1000
  for (;;) {
    const { status, stdout, stderr } = spawnSync('apt-get', command, { env, encoding: 'utf8' })
    if (status === 0) return
    if (!/Could not get lock/.test(stderr) || performance.now() > until) {
      throw new Error(`apt-get ${args.join(' ')} failed:\n${stdout}${stderr}`)
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_RETRY)
  }
}
