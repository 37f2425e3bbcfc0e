/** Name of an LTX file's timestamp in the object's metadata, as in Litestream. */
export const TIMESTAMP_KEY = 'litestream-timestamp'

/**
 * Name of an upload's random ID in the object's metadata. After a lost response, the ID shows
 * whether the existing object comes from this upload.
 */
export const UPLOAD_KEY = 'litestream-upload'

/**
 * Formats a time as RFC 3339 in UTC, in the same form as Go. The fraction of seconds has no
 * trailing zeros, and is omitted if it is zero.
 */
export function formatTimestamp(ms: number): string {
  return new Date(ms).toISOString().replace(/\.?0*Z$/, 'Z')
}

/**
 * Parses a time with up to nine digits of fraction into milliseconds since the epoch. Returns
 * undefined for an invalid time.
 */
export function parseTimestamp(text: string | undefined): number | undefined {
  const ms = Date.parse((text ?? '').replace(/(\.\d{3})\d+/, '$1'))
  return Number.isNaN(ms) ? undefined : ms
}
