import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { isLitestreamError, LitestreamError } from '../../../src/errors.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { fingerprint, parseHostKeys } from '../../../src/storage/sftp/host-keys.js'
import type { SftpSettings } from '../../../src/storage/sftp/settings.js'
import { startSshd } from '../../support/servers/sshd.js'
import { sftpUrl } from '../../support/sftp.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

const server = await startSshd()
after(() => server.stop())

const [algorithm, base64] = server.hostKey.split(' ') as [string, string]
/** A key that is valid and not the server's. */
const OTHER = `ssh-ed25519 ${Buffer.concat([Buffer.from(base64, 'base64').subarray(0, 19), Buffer.alloc(32, 7)]).toString('base64')}`

async function connects(settings: SftpSettings): Promise<boolean | LitestreamError> {
  try {
    const client = await openReplicaClient(sftpUrl(server, `${server.directory}/none`), {
      sftp: { keyPath: server.keyPath, ...settings },
    })
    await client.close()
    return true
  } catch (error) {
    if (error instanceof LitestreamError) return error
    throw error
  }
}

test('a pinned host key is accepted, both as a key and as a fingerprint', async () => {
  assert.equal(await connects({ hostKey: server.hostKey }), true)
  assert.equal(await connects({ hostKey: `${server.hostKey} root@example\n${OTHER}\n` }), true)
  assert.equal(await connects({ hostKey: fingerprint(Buffer.from(base64, 'base64')) }), true)
})

test('a host key other than the pinned key is refused before the login, and the error shows the server’s host key', async () => {
  const before = server.log()
  const error = await connects({ hostKey: OTHER })
  assert.ok(isLitestreamError(error, 'ACCESS_DENIED'))
  assert.match(error.message, /host key of 127\.0\.0\.1:\d+ is ssh-ed25519 SHA256:/)
  assert.ok(error.hint.includes(server.hostKey))
  assert.doesNotMatch(server.log().slice(before.length), /Accepted|Failed (password|publickey)/)
})

test('a host that is not in a known_hosts file is refused, unless the settings accept any host key', async (t) => {
  const file = path.join(temporaryDirectory(t), 'known_hosts')
  writeFileSync(file, `# nothing\nexample.com ${server.hostKey}\n127.0.0.1 ${server.hostKey}\n`)
  const error = await connects({ knownHosts: file })
  assert.ok(isLitestreamError(error, 'ACCESS_DENIED'))
  assert.match(error.message, /is not known/)
  assert.match(error.hint, /insecure-host-key/)
  assert.equal(await connects({ knownHosts: file, insecureHostKey: true }), true)
})

test('known_hosts may contain names, patterns, hashed names, negations and revoked keys', async (t) => {
  const file = path.join(temporaryDirectory(t), 'known_hosts')
  const name = `[127.0.0.1]:${server.port}`
  const salt = Buffer.from('0123456789abcdefghij')
  const hash = createHmac('sha1', salt).update(name).digest('base64')
  const accepted = async (text: string) => {
    writeFileSync(file, text)
    return (await connects({ knownHosts: file })) === true
  }
  assert.ok(await accepted(`example.com,${name} ${server.hostKey}\n`))
  assert.ok(await accepted(`[127.*]:${server.port} ${server.hostKey} a comment\n`))
  assert.ok(await accepted(`|1|${salt.toString('base64')}|${hash} ${server.hostKey}\n`))
  assert.ok(await accepted(`${name} ${OTHER}\n${name} ${server.hostKey}\n`), 'one of several keys')
  assert.ok(!(await accepted(`*,!${name} ${server.hostKey}\n`)))
  assert.ok(!(await accepted(`${name} ${OTHER}\n`)))
  assert.ok(!(await accepted(`${name} ${server.hostKey}\n@revoked * ${server.hostKey}\n`)))
  assert.ok(!(await accepted(`@cert-authority ${name} ${server.hostKey}\n`)))
  const missing = await connects({ knownHosts: path.join(path.dirname(file), 'none') })
  assert.ok(isLitestreamError(missing, 'CONFIG_INVALID'))
})

test('an invalid host key in the settings is refused, and the error quotes the key', () => {
  const wrong = ['', 'ssh-ed25519', `ssh-rsa ${base64}`, 'ssh-ed25519 !!!!', 'MD5:00:11', `${algorithm} AAAA`]
  for (const text of wrong) {
    assert.throws(
      () => parseHostKeys(text),
      (error) => isLitestreamError(error, 'CONFIG_INVALID') && error.message.includes(text.slice(0, 20)),
      text,
    )
  }
})
