import { createCipheriv, createDecipheriv } from 'node:crypto'

// The payload of an age file consists of chunks of 64 KiB, each encrypted with ChaCha20-Poly1305
// (https://age-encryption.org/v1, section "Payload"). The nonce of a chunk is a counter of 11
// bytes, followed by a byte that is 1 in the final chunk and 0 in all others. Moving, omitting or
// adding a chunk therefore makes decryption fail.

/** Size in bytes of the plain text in every chunk except the final one. */
export const CHUNK = 64 * 1024
const TAG = 16
/** Size in bytes of an encrypted chunk in the file, for every chunk except the final one. */
export const SEALED_CHUNK = CHUNK + TAG

/** Returns the size of the payload for `plain` bytes of plain text. */
export function sealedSize(plain: number): number {
  return plain + TAG * Math.max(1, Math.ceil(plain / CHUNK))
}

/**
 * Returns the size of the plain text in a payload of `sealed` bytes, or undefined if no payload has
 * this size.
 */
export function openedSize(sealed: number): number | undefined {
  const chunks = Math.max(1, Math.ceil(sealed / SEALED_CHUNK))
  const plain = sealed - chunks * TAG
  return plain >= 0 && sealedSize(plain) === sealed ? plain : undefined
}

function nonceOf(chunk: number, last: boolean): Uint8Array {
  const nonce = Buffer.alloc(12)
  nonce.writeUIntBE(chunk, 5, 6)
  nonce[11] = last ? 1 : 0
  return nonce
}

/** Encrypts the plain text of chunk number `chunk`. `key` has 32 bytes. */
export function sealChunk(key: Uint8Array, chunk: number, last: boolean, plain: Uint8Array): Uint8Array {
  const cipher = createCipheriv('chacha20-poly1305', key, nonceOf(chunk, last), { authTagLength: TAG })
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/**
 * Decrypts chunk number `chunk`. Returns undefined if the bytes are not chunk number `chunk`
 * encrypted with `key`.
 */
export function openChunk(key: Uint8Array, chunk: number, last: boolean, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.byteLength < TAG) return undefined
  const decipher = createDecipheriv('chacha20-poly1305', key, nonceOf(chunk, last), { authTagLength: TAG })
  decipher.setAuthTag(sealed.subarray(sealed.byteLength - TAG))
  try {
    const plain = decipher.update(sealed.subarray(0, sealed.byteLength - TAG))
    decipher.final()
    return plain
  } catch {
    return undefined // the tag does not match
  }
}
