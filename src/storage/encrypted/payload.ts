import { createCipheriv, createDecipheriv } from 'node:crypto'

// The payload of an age file (https://age-encryption.org/v1, "Payload"): chunks of 64 KiB, each
// sealed with ChaCha20-Poly1305. The nonce is a counter of 11 bytes and a byte that is 1 for the
// last chunk, so that no chunk can be moved, left out or added.

/** Bytes of plain text in each chunk but the last. */
export const CHUNK = 64 * 1024
const TAG = 16
/** Bytes of a whole chunk in the file. */
export const SEALED_CHUNK = CHUNK + TAG

/** Size of the payload for a number of bytes of plain text. */
export function sealedSize(plain: number): number {
  return plain + TAG * Math.max(1, Math.ceil(plain / CHUNK))
}

/** Bytes of plain text in a payload; undefined for a size that no payload has. */
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

/** Seals chunk number `chunk`. `key`: 32 bytes. */
export function sealChunk(key: Uint8Array, chunk: number, last: boolean, plain: Uint8Array): Uint8Array {
  const cipher = createCipheriv('chacha20-poly1305', key, nonceOf(chunk, last), { authTagLength: TAG })
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** The plain text of a chunk; undefined if it was not sealed with this key as this chunk. */
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
