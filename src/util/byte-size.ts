import { LitestreamError } from '../errors.js'

/**
 * A size as a number of bytes, or as text with a unit, such as "5MB" (1 MB = 10^6 bytes) or "64MiB"
 * (1 MiB = 2^20 bytes).
 */
export type ByteSize = number | string

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1e3,
  kb: 1e3,
  kib: 2 ** 10,
  m: 1e6,
  mb: 1e6,
  mib: 2 ** 20,
  g: 1e9,
  gb: 1e9,
  gib: 2 ** 30,
  t: 1e12,
  tb: 1e12,
  tib: 2 ** 40,
}

/**
 * Parses text such as "5MB", "5MiB", "5M" or "512" into bytes. Returns undefined for other text.
 * The result may be greater than Number.MAX_SAFE_INTEGER.
 */
export function tryParseByteSize(text: string): number | undefined {
  const match = /^\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)\s*$/.exec(text)
  const unit = match === null ? undefined : UNITS[match[2]!.toLowerCase()]
  return match === null || unit === undefined ? undefined : Math.floor(Number(match[1]) * unit)
}

/**
 * Parses text such as "5MB" (1 MB = 10^6 bytes), "5MiB" (1 MiB = 2^20 bytes), "5M" or "512" into
 * bytes. Throws INVALID_ARGUMENT.
 */
export function parseByteSize(text: string): number {
  const bytes = tryParseByteSize(text)
  if (bytes === undefined) {
    throw new LitestreamError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(text)} is not a size: write bytes or a number with KB, KiB, MB, MiB, GB or GiB`,
      { hint: 'Write the size with a unit, such as 64MiB or 5MB, or as a number of bytes.' },
    )
  }
  if (!Number.isSafeInteger(bytes)) {
    throw new LitestreamError('INVALID_ARGUMENT', `"${text}" is more than ${Number.MAX_SAFE_INTEGER} bytes`, {
      hint: 'Write a smaller size.',
    })
  }
  return bytes
}

/** Converts a ByteSize to bytes. Throws INVALID_ARGUMENT. */
export function bytes(size: ByteSize): number {
  return typeof size === 'string' ? parseByteSize(size) : size
}
