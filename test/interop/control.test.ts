// The commands of each program on the control socket of the other: scripts that use either keep
// working while a machine switches.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { run, start } from '../cli/run.js'
import { cleanUp } from '../support/clean-up.js'
import { released } from '../support/released.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'

type Fields = Record<string, unknown>

test('litestream-ts’s control commands control a Litestream process, Litestream’s commands control a litestream-ts process, and the output fields are equal', async (t) => {
  const official = released(t, '0.5.17')
  if (!official) return
  const places = ['ours', 'theirs'].map((name) => {
    const dir = path.join(temporaryDirectory(t), name)
    mkdirSync(dir)
    for (const file of ['app.db', 'new.db']) {
      new Database(path.join(dir, file)).exec('PRAGMA journal_mode = wal; CREATE TABLE t (x)').close()
    }
    const socket = path.join(dir, 'socket')
    const database = `{ path: ${dir}/app.db, replica: { type: file, path: ${dir}/replica } }`
    writeFileSync(`${dir}/litestream.yml`, `socket: { enabled: true, path: ${socket} }\ndbs: [${database}]\n`)
    return { name, dir, socket }
  })
  for (const { name, dir, socket } of places) {
    const args = ['replicate', '-config', `${dir}/litestream.yml`]
    if (name === 'theirs') official.start(args)
    else {
      const { child } = start(args)
      cleanUp(t, () => child.kill('SIGKILL'))
    }
    await until(`${name} listens`, () => existsSync(socket))
  }
  const programs = {
    ours: async (args: readonly string[]) => {
      const { status, stdout, stderr } = await run(args)
      return { status, stdout, stderr }
    },
    theirs: async (args: readonly string[]) => {
      const { status, output, errors } = await official.run(args)
      return { status, stdout: output, stderr: errors }
    },
  }
  for (const { name, dir, socket } of places) {
    const ask = async (program: keyof typeof programs, command: string, ...args: string[]): Promise<Fields> => {
      const { status, stdout, stderr } = await programs[program]([command, '-socket', socket, '-json', ...args])
      assert.equal(status, 0, `${program} on ${name}: ${command}: ${stderr}`)
      return JSON.parse(stdout)
    }
    for (const program of ['ours', 'theirs'] as const) {
      const file = path.join(dir, 'app.db')
      const other = path.join(dir, 'new.db')
      const replica = `file://${dir}/other`
      const answers = [
        await ask(program, 'sync', '-wait', file),
        await ask(program, 'stop', file),
        await ask(program, 'stop', '-timeout', '0', file),
        await ask(program, 'start', '-timeout', '0', file),
        await ask(program, 'start', file),
        await ask(program, 'register', '-replica', replica, other),
        await ask(program, 'register', '-replica', replica, other),
        await ask(program, 'unregister', other),
        await ask(program, 'unregister', other),
      ]
      const where = `${program} on ${name}`
      assert.deepEqual(
        answers.map(({ db_path }) => db_path),
        [file, file, file, file, file, other, other, other, other],
        where,
      )
      const states = ['stopped', 'already_stopped', 'started', 'already_running']
      const registrations = ['registered', 'already_registered', 'unregistered', 'already_unregistered']
      assert.deepEqual(
        answers.slice(1).map(({ status }) => status),
        [...states, ...registrations],
        where,
      )
      assert.ok(Number.isInteger(answers[0]!.txid) && answers[0]!.replica_txid === answers[0]!.txid, where)
      assert.deepEqual([typeof answers[7]!.final_txid, answers[8]!.final_txid], ['number', 0], where)
    }
  }
})
