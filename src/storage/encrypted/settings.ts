/**
 * Encryption of a replica with age (https://age-encryption.org/v1). Each file of the replica is an
 * ordinary age file.
 */
export interface EncryptionSettings {
  /**
   * Recipients of new files: `age1…`, or paths of files with one recipient per line. Default: the
   * recipients of `identities`.
   */
  readonly recipients?: string | readonly string[] | undefined
  /**
   * Identities that decrypt files: `AGE-SECRET-KEY-1…`, or paths of identity files, which may be
   * encrypted with `passphrase`.
   */
  readonly identities?: string | readonly string[] | undefined
  /** The passphrase of encrypted identity files. */
  readonly passphrase?: string | undefined
}

/** The environment variables for EncryptionSettings. Lists are separated by commas. */
export const VARIABLES = {
  recipients: 'LITESTREAM_AGE_RECIPIENTS',
  identities: 'LITESTREAM_AGE_IDENTITIES',
  passphrase: 'LITESTREAM_AGE_PASSPHRASE',
} as const

/** Undefined if no variable enables encryption. */
export function encryptionFromEnvironment(env: NodeJS.ProcessEnv = process.env): EncryptionSettings | undefined {
  const [recipients, identities] = [listOf(env[VARIABLES.recipients]), listOf(env[VARIABLES.identities])]
  if (recipients.length + identities.length === 0) return undefined
  return { recipients, identities, passphrase: env[VARIABLES.passphrase] }
}

/** The entries of a list, or of a string separated by commas; empty entries are omitted. */
export function listOf(value: string | readonly string[] | undefined): string[] {
  const parts = typeof value === 'string' ? value.split(',') : (value ?? [])
  return parts.map((part) => part.trim()).filter((part) => part !== '')
}
