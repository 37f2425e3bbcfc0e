import { homedir } from 'node:os'
import path from 'node:path'
import { LitestreamError } from '../../errors.js'
import { fsError } from '../../fs/fs-error.js'
import { readRegular } from '../../fs/open-regular.js'
import { rememberSecret } from '../../util/redact.js'
import { loadAge } from './library.js'
import { type EncryptionSettings, listOf, VARIABLES } from './settings.js'

/** The keys in the encryption settings and in the files that these settings name. */
export interface EncryptionKeys {
  /**
   * Recipients such as `age1…`. Without recipients, the client can read files but cannot write
   * files.
   */
  readonly recipients: readonly string[]
  /**
   * Identities such as `AGE-SECRET-KEY-1…`. Without identities, the client can write files but
   * cannot read files.
   */
  readonly identities: readonly string[]
}

/** Maximum size in bytes of a file that contains recipients or identities. */
const MAX_KEY_FILE = 64 * 1024
/**
 * Patterns of X25519 recipients and identities. A key has a human-readable part, `1`, and 58
 * characters of Bech32.
 */
const RECIPIENT = /^age1[02-9ac-hj-np-z]{58}$/
const IDENTITY = /^AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}$/
const AGE_FILE = /^(age-encryption\.org\/v1\n|-----BEGIN AGE ENCRYPTED FILE-----)/

/**
 * Reads the keys in the settings, and in the files that the settings name. Throws CONFIG_INVALID
 * for invalid keys, and NOT_FOUND or another file error if a key file cannot be read.
 */
export async function readEncryptionKeys(settings: EncryptionSettings): Promise<EncryptionKeys> {
  const { passphrase } = settings
  if (passphrase) rememberSecret(passphrase)
  const identities: string[] = []
  for (const value of listOf(settings.identities)) {
    const keys = IDENTITY.test(value) ? [value] : await identitiesIn(value, passphrase)
    for (const key of keys) rememberSecret(key)
    identities.push(...keys)
  }
  const recipients: string[] = []
  for (const value of listOf(settings.recipients)) {
    recipients.push(...(RECIPIENT.test(value) ? [value] : await keysIn(value, RECIPIENT, 'recipients', 'age1…')))
  }
  if (recipients.length + identities.length === 0) {
    throw new LitestreamError('CONFIG_INVALID', 'encryption has neither recipients nor identities', {
      hint: 'Set `encryption.recipients` to write files and `encryption.identities` to read them.',
    })
  }
  if (recipients.length === 0) {
    const { identityToRecipient } = loadAge()
    for (const identity of identities) recipients.push(await identityToRecipient(identity))
  }
  return { recipients: [...new Set(recipients)], identities: [...new Set(identities)] }
}

/**
 * Reads an identity file that age-keygen has written. The file may be encrypted with a passphrase.
 */
async function identitiesIn(file: string, passphrase: string | undefined): Promise<string[]> {
  const full = keyFile(file, 'identities', 'AGE-SECRET-KEY-1…')
  const bytes = await readKeyFile(full, 'identities', 'AGE-SECRET-KEY-1…')
  const text = bytes.toString('latin1')
  if (!AGE_FILE.test(text)) return linesOf(text, full, IDENTITY, 'identities')
  if (!passphrase) {
    throw new LitestreamError('CONFIG_INVALID', `${full}: the identity file is encrypted with a passphrase`, {
      file: full,
      hint: `Set \`encryption.passphrase\` or ${VARIABLES.passphrase}.`,
    })
  }
  if (text.startsWith('-----')) {
    throw new LitestreamError('CONFIG_INVALID', `${full}: the identity file is ASCII-armored`, {
      file: full,
      hint: 'Encrypt the identity file again without the flag -a, which adds the armor: `age -p -o key.age key.txt`.',
    })
  }
  const decrypter = new (loadAge().Decrypter)()
  decrypter.addPassphrase(passphrase)
  let plain: string
  try {
    plain = await decrypter.decrypt(bytes, 'text')
  } catch (cause) {
    throw new LitestreamError('DECRYPTION_FAILED', `${full}: the passphrase does not open the identity file`, {
      cause,
      file: full,
      hint: `Correct \`encryption.passphrase\` or ${VARIABLES.passphrase}.`,
    })
  }
  return linesOf(plain, full, IDENTITY, 'identities')
}

async function keysIn(file: string, form: RegExp, key: string, example: string): Promise<string[]> {
  const full = keyFile(file, key, example)
  return linesOf((await readKeyFile(full, key, example)).toString('latin1'), full, form, key)
}

async function readKeyFile(file: string, key: string, example: string): Promise<Buffer> {
  try {
    return await readRegular(file, MAX_KEY_FILE)
  } catch (cause) {
    const { code, message } = fsError(cause, 'reading', file)
    throw new LitestreamError(code, `encryption.${key}: ${message}`, {
      cause,
      file,
      hint: `Set \`encryption.${key}\` to ${example}, or to the path of a readable file with such lines.`,
    })
  }
}

/**
 * Returns `value` as the path of a key file. Throws CONFIG_INVALID if `value` looks like a
 * misspelled key. Without this check, an error message would show the misspelled key as the path of
 * a missing file.
 */
function keyFile(value: string, key: string, example: string): string {
  if (/^(age1|AGE-)/i.test(value)) {
    throw new LitestreamError('CONFIG_INVALID', `encryption.${key}: a key is not a valid X25519 key`, {
      hint: `Set encryption.${key} to a key of the form ${example}, as age-keygen prints it, or to the path of a key file.`,
    })
  }
  return path.resolve(value.replace(/^~(?=\/|$)/, homedir()))
}

function linesOf(text: string, file: string, form: RegExp, key: string): string[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim())
  const keys = lines.filter((line) => line !== '' && !line.startsWith('#'))
  const wrong = keys.findIndex((line) => !form.test(line))
  if (keys.length > 0 && wrong < 0) return keys
  const what = keys.length === 0 ? `holds no ${key}` : `key ${wrong + 1} is not a valid X25519 key`
  throw new LitestreamError('CONFIG_INVALID', `${file}: ${what}`, {
    file,
    hint: 'Make a key with `age-keygen -o key.txt`; only X25519 keys are supported.',
  })
}
