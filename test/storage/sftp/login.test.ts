import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { after, test } from 'node:test'
import ssh2 from 'ssh2'
import { isLitestreamError, LitestreamError } from '../../../src/errors.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import type { SftpSettings } from '../../../src/storage/sftp/settings.js'
import { cleanUp } from '../../support/clean-up.js'
import { notRun } from '../../support/not-run.js'
import { ServerProcess } from '../../support/servers/server-process.js'
import { PASSPHRASE, startSshd } from '../../support/servers/sshd.js'
import { sftpUrl } from '../../support/sftp.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'

const server = await startSshd({ config: 'PasswordAuthentication yes' })
after(() => server.stop())
const { hostKey, keyPath } = server

async function opened(settings: SftpSettings, url = sftpUrl(server, `${server.directory}/none`)) {
  const agent = process.env.SSH_AUTH_SOCK
  delete process.env.SSH_AUTH_SOCK
  try {
    const client = await openReplicaClient(url, { sftp: { hostKey, ...settings } })
    await client.close()
    return 'opened'
  } catch (error) {
    assert.ok(error instanceof LitestreamError)
    return `${error.code}: ${error.message} ${error.hint}`
  } finally {
    if (agent !== undefined) process.env.SSH_AUTH_SOCK = agent
  }
}

test('the SFTP client uses a key file, and an encrypted key file only if its passphrase is set', async () => {
  assert.equal(await opened({ keyPath }), 'opened')
  assert.equal(await opened({ keyPath: server.encryptedKeyPath, passphrase: PASSPHRASE }), 'opened')
  assert.match(await opened({ keyPath: server.encryptedKeyPath }), /^CONFIG_INVALID: .*Set `passphrase`/)
  const wrong = await opened({ keyPath: server.encryptedKeyPath, passphrase: 'wrong' })
  assert.match(wrong, /^CONFIG_INVALID: /)
  assert.ok(!wrong.includes(PASSPHRASE))
  assert.match(await opened({ keyPath: `${keyPath}.none` }), /^CONFIG_INVALID: cannot read the SFTP key/)
  assert.match(await opened({ keyPath: `${keyPath}.pub` }), /^CONFIG_INVALID: /)
})

test('the errors for an unknown SSH key and for a wrong password are ACCESS_DENIED', async () => {
  const other = path.join(server.directory, 'other')
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', other])
  assert.match(await opened({ keyPath: other }), /^ACCESS_DENIED: .*authorized_keys/)
  const denied = await opened({ password: 'not the password 7' })
  assert.match(denied, /^ACCESS_DENIED: /)
  assert.ok(!denied.includes('not the password'))
})

test('SFTP settings without a login method or without a user are refused before the connection', async () => {
  assert.match(await opened({}), /^CONFIG_INVALID: an SFTP replica needs a password, a key or an SSH agent/)
  assert.match(await opened({ keyPath }, `sftp://127.0.0.1:${server.port}/x`), /^CONFIG_INVALID: .*needs a user/)
})

test('the SFTP client can log in with an SSH agent', async (t) => {
  const socket = path.join(temporaryDirectory(t), 'agent')
  const agent = new ServerProcess('ssh-agent', ['-D', '-a', socket], path.join(server.directory, 'agent.log'))
  cleanUp(t, () => agent.stop())
  const env = { ...process.env, SSH_AUTH_SOCK: socket }
  await until('the agent has the key', () => {
    agent.assertRunning()
    try {
      execFileSync('ssh-add', [keyPath], { env, stdio: 'pipe' })
      return true
    } catch {
      return false // it does not listen yet
    }
  })
  assert.equal(await opened({ agent: socket }), 'opened')
  assert.match(await opened({ agent: `${socket}.none` }), /^ACCESS_DENIED: /)
})

test('the SFTP client logs in with a password, even if the server asks for the password with prompts', async (t) => {
  for (const method of ['password', 'keyboard-interactive'] as const) {
    const other = new ssh2.Server({ hostKeys: [readFileSync(path.join(server.directory, 'host'))] }, (client) => {
      client.on('authentication', (context) => {
        if (context.method !== method) return context.reject([method])
        if (context.method === 'password') return context.password === 'pa:ss@1' ? context.accept() : context.reject()
        if (context.method === 'keyboard-interactive') {
          context.prompt('Password: ', (answers) => (answers[0] === 'pa:ss@1' ? context.accept() : context.reject()))
        }
      })
      client.on('error', () => undefined)
      client.on('session', (accept) => {
        accept().on('sftp', (acceptSftp) => {
          const sftp = acceptSftp()
          sftp.on('STAT', (id) => sftp.status(id, ssh2.utils.sftp.STATUS_CODE.NO_SUCH_FILE))
        })
      })
    })
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    cleanUp(t, () => other.close())
    const { port } = other.address() as AddressInfo
    assert.equal(await opened({}, `sftp://me:pa%3Ass%401@127.0.0.1:${port}/x`), 'opened')
    const denied = await opened({ password: 'pa:ss@2' }, `sftp://me@127.0.0.1:${port}/x`)
    assert.match(denied, /^ACCESS_DENIED: /)
  }
})

test('if the user may not read or write a folder, the error is ACCESS_DENIED', async (t) => {
  if (process.geteuid?.() !== 0) return notRun(t, 'another user', 'only root can log in as another user')
  chmodSync(server.directory, 0o755)
  const folder = temporaryDirectory(t)
  const key = path.join(folder, 'key')
  copyFileSync(keyPath, key)
  chmodSync(folder, 0o755)
  mkdirSync(path.join(folder, 'closed'), { mode: 0o700 })
  mkdirSync(path.join(folder, 'readable'), { mode: 0o755 })
  const nobody = { port: server.port, user: 'nobody' }
  assert.match(await opened({ keyPath: key }, sftpUrl(nobody, `${folder}/closed`)), /^ACCESS_DENIED: .*permission/)
  const client = await openReplicaClient(sftpUrl(nobody, `${folder}/readable`), { sftp: { hostKey, keyPath: key } })
  cleanUp(t, () => client.close())
  await assert.rejects(
    client.write({ level: 0, minTxid: 1, maxTxid: 1 }, new Uint8Array(10), { timestamp: 1 }),
    (error) => isLitestreamError(error, 'ACCESS_DENIED'),
  )
})
