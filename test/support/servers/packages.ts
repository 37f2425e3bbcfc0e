import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** Whether `command` is in the PATH. */
function installed(command: string): boolean {
  return (process.env.PATH ?? '').split(':').some((directory) => existsSync(`${directory}/${command}`))
}

/** Debian's package for each command that the tests need; a name that is no command is a package of data. */
const PACKAGES = {
  'proj-data': 'proj-data',
  radosgw: 'radosgw',
  'ceph-mon': 'ceph-mon',
  'ceph-osd': 'ceph-osd',
  'nats-server': 'nats-server',
  chromium: 'chromium',
  openssl: 'openssl',
} as const

export type ServerCommand = keyof typeof PACKAGES

/**
 * Installs what is missing of `commands` with apt-get. Only root on a Debian can; anybody else gets an error that says what to do
 * instead, with `otherwise` (which variable names a running server).
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
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  run('apt-get', ['update'], env)
  run('apt-get', ['install', '-y', '--no-install-recommends', ...missing], env)
}

function run(command: string, args: string[], env: NodeJS.ProcessEnv): void {
  const { status, stdout, stderr } = spawnSync(command, args, { env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}${stderr}`)
}
