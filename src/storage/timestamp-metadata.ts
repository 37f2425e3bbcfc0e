/** The metadata key of an LTX file's timestamp, as in Litestream. */
export const TIMESTAMP_KEY = 'litestream-timestamp'

/**
 * The metadata key of a random ID of the upload: after a lost response, the object that exists is
 * this upload's or another's.
 */
export const UPLOAD_KEY = 'litestream-upload'

/**
 * RFC 3339 in UTC as Go formats it: the fraction has no trailing zeros, and is omitted if it is
 * zero.
 */
export function formatTimestamp(ms: number): string {
  return new Date(ms).toISOString().replace(/\.?0*Z$/, 'Z')
}

/**
 * Parses a time with up to nine digits of fraction into milliseconds; undefined if it is invalid.
 */
export function parseTimestamp(text: string | undefined): number | undefined {
  const ms = Date.parse((text ?? '').replace(/(\.\d{3})\d+/, '$1'))
  return Number.isNaN(ms) ? undefined : ms
}
