/**
 * Settings for encrypting a replica with age (https://age-encryption.org/v1). Each file of an
 * encrypted replica is an ordinary age file.
 */
export interface EncryptionSettings {
  /**
   * Recipients for which new files are encrypted. A recipient is `age1…`, or the path of a file
   * with one recipient per line. By default, the recipients are the public keys of `identities`.
   */
  readonly recipients?: string | readonly string[] | undefined
  /**
   * Identities that decrypt files. An identity is `AGE-SECRET-KEY-1…`, or the path of an identity
   * file. The identity file may be encrypted with `passphrase`.
   */
  readonly identities?: string | readonly string[] | undefined
  /** The passphrase that decrypts the identity files. */
  readonly passphrase?: string | undefined
}

/**
 * The environment variables for EncryptionSettings. In the values of these variables, commas
 * separate several recipients or several identities.
 */
export const VARIABLES = {
  recipients: 'LITESTREAM_AGE_RECIPIENTS',
  identities: 'LITESTREAM_AGE_IDENTITIES',
  passphrase: 'LITESTREAM_AGE_PASSPHRASE',
} as const

/**
 * Returns the encryption settings of the environment, or undefined if no variable enables
 * encryption.
 */
export function encryptionFromEnvironment(env: NodeJS.ProcessEnv = process.env): EncryptionSettings | undefined {
  const [recipients, identities] = [listOf(env[VARIABLES.recipients]), listOf(env[VARIABLES.identities])]
  if (recipients.length + identities.length === 0) return undefined
  return { recipients, identities, passphrase: env[VARIABLES.passphrase] }
}

/**
 * Returns the entries of a list, or of a text in which commas separate the entries. Drops empty
 * entries.
 */
export function listOf(value: string | readonly string[] | undefined): string[] {
  const parts = typeof value === 'string' ? value.split(',') : (value ?? [])
  return parts.map((part) => part.trim()).filter((part) => part !== '')
}
