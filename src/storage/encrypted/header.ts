import { hkdfSync, randomBytes } from 'node:crypto'
import { LitestreamError } from '../../errors.js'
import type { EncryptionKeys } from './keys.js'
import { type AgeLibrary, loadAge } from './library.js'

/** The first line of every age file. */
const INTRO = 'age-encryption.org/v1\n'
/**
 * Size in bytes of a header that this package writes. A padding stanza makes all headers equally
 * long. The size of an encrypted file in a listing therefore determines the size of the content.
 */
const HEADER = 1024
/**
 * Size in bytes of the nonce that follows the header. The payload key is derived from the nonce and
 * the file key.
 */
const NONCE = 16
/** Size in bytes of the part of a file before the payload, which is the header and the nonce. */
export const PREAMBLE = HEADER + NONCE

/**
 * Sizes in bytes of a recipient stanza, `-> X25519 <43>\n<43>\n`, and of the MAC line,
 * `--- <43>\n`.
 */
const RECIPIENT_STANZA = 98
const MAC_LINE = 48
const PADDING_TYPE = 'litestream-ts/padding'
const PADDING_FRAME = `-> ${PADDING_TYPE} \n\n`.length
const MAX_RECIPIENTS = Math.floor((HEADER - INTRO.length - MAC_LINE - PADDING_FRAME - 1) / RECIPIENT_STANZA)

/** Size in bytes of an empty payload. An empty payload is one authentication tag. */
const EMPTY_PAYLOAD = 16

/** Creates and decrypts the headers of the files of one replica. */
export class AgeHeaders {
  readonly #keys: EncryptionKeys
  readonly #age: AgeLibrary

  /**
   * Throws PACKAGE_MISSING. Throws CONFIG_INVALID if the settings have more recipients than a
   * header can hold.
   */
  constructor(keys: EncryptionKeys) {
    const { length } = keys.recipients
    if (length > MAX_RECIPIENTS) {
      throw new LitestreamError(
        'CONFIG_INVALID',
        `encryption has ${length} recipients; the limit is ${MAX_RECIPIENTS}`,
        {
          hint: 'Remove recipients from `encryption.recipients`.',
        },
      )
    }
    this.#keys = keys
    this.#age = loadAge()
  }

  /**
   * Creates the header of a new file and the key of its payload. Throws CONFIG_INVALID if the
   * settings have no recipients.
   */
  async make(url: string): Promise<{ readonly preamble: Uint8Array; readonly key: Uint8Array }> {
    const { recipients } = this.#keys
    if (recipients.length === 0) {
      throw new LitestreamError('CONFIG_INVALID', `${url}: encryption has no recipients, so no file can be written`, {
        file: url,
        hint: 'Set `encryption.recipients` to the public keys that can decrypt new files.',
      })
    }
    const { Encrypter, Stanza } = this.#age
    const encrypter = new Encrypter()
    for (const recipient of recipients) encrypter.addRecipient(recipient)
    let fileKey: Uint8Array | undefined
    const used = INTRO.length + recipients.length * RECIPIENT_STANZA + MAC_LINE + PADDING_FRAME
    encrypter.addRecipient({
      wrapFileKey: (key) => {
        fileKey = Uint8Array.from(key)
        return [new Stanza([PADDING_TYPE, 'A'.repeat(HEADER - used)], new Uint8Array(0))]
      },
    })
    // The library can only encrypt a whole file, and make() uses only the header of the result.
    const file = await encrypter.encrypt(new Uint8Array(0))
    if (file.byteLength !== HEADER + NONCE + EMPTY_PAYLOAD || fileKey === undefined) {
      throw new LitestreamError(
        'INTERNAL',
        `the age library wrote a header of unexpected size: ${file.byteLength} bytes`,
      )
    }
    const nonce = randomBytes(NONCE)
    return { preamble: Buffer.concat([file.subarray(0, HEADER), nonce]), key: payloadKey(fileKey, nonce) }
  }

  /**
   * Decrypts the header in `preamble` and returns the key of the payload. Throws DECRYPTION_FAILED.
   */
  async open(preamble: Uint8Array, label: string): Promise<Uint8Array> {
    const failed = (message: string, hint: string, cause?: unknown) =>
      new LitestreamError('DECRYPTION_FAILED', `${label}: ${message}`, { file: label, hint, cause })
    if (!startsWith(preamble, INTRO)) {
      throw failed(
        startsWith(preamble, 'LTX') ? 'the file is not encrypted' : 'the file is not an age file',
        'Mirror this replica to an empty replica with `encryption`, or remove `encryption` to read this replica without decryption.',
      )
    }
    const end = Buffer.from(preamble.buffer, preamble.byteOffset, preamble.byteLength).indexOf('\n--- ') + 1 + MAC_LINE
    if (preamble.byteLength < PREAMBLE || end !== HEADER) {
      throw failed('the header does not have the form that litestream-ts writes', 'Decrypt the file with `age -d`.')
    }
    if (this.#keys.identities.length === 0) {
      throw failed(
        'no identity is given to decrypt the file',
        'Set `encryption.identities` or LITESTREAM_AGE_IDENTITIES.',
      )
    }
    const decrypter = new this.#age.Decrypter()
    for (const identity of this.#keys.identities) decrypter.addIdentity(identity)
    let fileKey: Uint8Array
    try {
      fileKey = await decrypter.decryptHeader(preamble.slice(0, HEADER))
    } catch (cause) {
      throw failed(
        'none of the given identities decrypts the file',
        'Add the identity of a recipient of the file to `encryption.identities`. After a key rotation, keep the old identity as long as the replica has old files.',
        cause,
      )
    }
    return payloadKey(fileKey, preamble.subarray(HEADER, PREAMBLE))
  }
}

function payloadKey(fileKey: Uint8Array, nonce: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', fileKey, nonce, 'payload', 32))
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  return (
    Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(text.length, bytes.byteLength)).toString('latin1') === text
  )
}
