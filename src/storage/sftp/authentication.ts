import os from 'node:os'
import path from 'node:path'
import type { AnyAuthMethod, ParsedKey } from 'ssh2'
import { LitestreamError } from '../../errors.js'
import { readRegular } from '../../fs/open-regular.js'
import { reveal } from '../../util/secret.js'
import type { Ssh2 } from './library.js'
import type { SftpSettings } from './settings.js'

/**
 * Returns the authentication methods of the settings in the order key, agent, password. Reads the
 * key file. Throws CONFIG_INVALID if the settings have no method or an unusable key.
 */
export async function authentication(library: Ssh2, settings: SftpSettings): Promise<AnyAuthMethod[]> {
  const { user, keyPath } = settings
  if (user === undefined || user === '') {
    throw invalid(
      'an SFTP replica needs a user',
      'Set `user`, or write the user and an "@" before the host in the URL.',
    )
  }
  const password = reveal(settings.password)
  const methods: AnyAuthMethod[] = []
  if (keyPath !== undefined) {
    methods.push({ type: 'publickey', username: user, key: await privateKey(library, settings) })
  }
  const agent = settings.agent ?? (methods.length > 0 || password ? undefined : process.env.SSH_AUTH_SOCK || undefined)
  if (agent !== undefined) methods.push({ type: 'agent', username: user, agent: expandHome(agent) })
  if (password) {
    methods.push({ type: 'password', username: user, password })
    // An SFTP server that uses PAM asks for the password with the method keyboard-interactive.
    methods.push({
      type: 'keyboard-interactive',
      username: user,
      prompt: (_name, _instructions, _language, prompts, finish) => finish(prompts.map(() => password)),
    })
  }
  if (methods.length === 0) {
    throw invalid(
      'an SFTP replica needs a password, a key or an SSH agent',
      'Set `key-path` or `password`, or start an SSH agent and export SSH_AUTH_SOCK.',
    )
  }
  return methods
}

async function privateKey(library: Ssh2, settings: SftpSettings): Promise<ParsedKey> {
  const file = expandHome(settings.keyPath!)
  let bytes: Buffer
  try {
    bytes = await readRegular(file)
  } catch (cause) {
    throw new LitestreamError('CONFIG_INVALID', `cannot read the SFTP key ${file}: ${(cause as Error).message}`, {
      cause,
      file,
      hint: 'Correct `key-path`, or make the file readable for this process.',
    })
  }
  const key = library.utils.parseKey(bytes, reveal(settings.passphrase))
  if (key instanceof Error) {
    // The error message of ssh2 does not quote the content of the key file, so this code may
    // inspect and show it.
    const encrypted = /passphrase|encrypted|decrypt/i.test(key.message)
    const hint = encrypted
      ? 'Set `passphrase` to the passphrase of the key, or use an SSH agent.'
      : 'Use a private key in OpenSSH or PEM format, as ssh-keygen creates it.'
    throw new LitestreamError('CONFIG_INVALID', `the SFTP key ${file} cannot be used: ${key.message}`, { file, hint })
  }
  if (!key.isPrivateKey()) {
    throw invalid(`the SFTP key ${file} is a public key`, 'Set `key-path` to the private key, the file without ".pub".')
  }
  return key
}

/** Replaces `~/` at the beginning of a path by the home directory of the process. */
export function expandHome(file: string): string {
  return file === '~' || file.startsWith('~/') ? path.join(os.homedir(), file.slice(1)) : file
}

function invalid(message: string, hint: string): LitestreamError {
  return new LitestreamError('CONFIG_INVALID', message, { hint })
}
