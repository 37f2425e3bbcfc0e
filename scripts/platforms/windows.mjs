// The checks that run on Windows only: the functions for its paths, and the control socket, which is a
// named pipe there.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const root = path.resolve(import.meta.dirname, '../..')
const PIPE = '\\\\.\\pipe\\litestream-platforms'
const MAIN = 'node_modules/litestream-ts/dist/cli/main.js'
/** How long a program may take, and the process behind the pipe to start, milliseconds. */
const PATIENCE_MS = 300_000

/** In the folder of an application; returns what was done. Throws what failed. */
export async function checkWindows([command, ...first], { cwd, env }) {
  const log = path.join(cwd, 'log')
  const started = []
  // Node.js for Windows cannot write to a pipe of Linux under Wine.
  const options = () => {
    const file = openSync(log, 'w')
    started.push(file)
    return { cwd, env, stdio: ['ignore', file, file], timeout: PATIENCE_MS }
  }
  const run = (...args) => {
    const { status } = spawnSync(command, [...first, ...args], options())
    return { status, output: readFileSync(log, 'utf8') }
  }
  const mustRun = (...args) => {
    const { status, output } = run(...args)
    if (status !== 0) throw new Error(`${args.join(' ')}: status ${status}: ${output}`)
    return output
  }
  mustRun(path.join(root, '.out/test/windows.test.js'))
  mustRun(
    '-e',
    "new (require('node:sqlite').DatabaseSync)('app.db').exec('PRAGMA journal_mode = WAL; CREATE TABLE t (x)')",
  )
  const replica = `file:///Z:${path.join(cwd, 'pipe-replica')}`
  writeFileSync(
    path.join(cwd, 'litestream.yml'),
    `socket: { enabled: true, path: '${PIPE}' }\ndbs: [{ path: app.db, replica: { url: '${replica}' } }]\n`,
  )
  const output = openSync(path.join(cwd, 'daemon-log'), 'w')
  const daemon = spawn(command, [...first, MAIN, 'replicate', '-config', 'litestream.yml'], {
    cwd,
    env,
    stdio: ['ignore', output, output],
  })
  const exited = once(daemon, 'exit')
  try {
    const deadline = performance.now() + PATIENCE_MS
    while (run(MAIN, 'list', '-socket', PIPE).status !== 0) {
      if (performance.now() > deadline || daemon.exitCode !== null) {
        throw new Error(`no process on the pipe: ${readFileSync(path.join(cwd, 'daemon-log'), 'utf8')}`)
      }
      await sleep(500)
    }
    mustRun(MAIN, 'sync', '-wait', '-socket', PIPE, 'app.db')
  } finally {
    daemon.kill('SIGKILL')
    await exited
    for (const file of [output, ...started]) closeSync(file)
  }
  return ['paths', 'named pipe']
}
