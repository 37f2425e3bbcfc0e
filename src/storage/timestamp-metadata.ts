/** The metadata key that carries an LTX file's timestamp; Litestream's name. */
export const TIMESTAMP_KEY = 'litestream-timestamp'

/** RFC 3339 in UTC as Go prints it: the fraction without trailing zeros, and none at all when it is zero. */
export function formatTimestamp(ms: number): string {
  return new Date(ms).toISOString().replace(/\.?0*Z$/, 'Z')
}

/** Milliseconds of a time with up to nine digits of fraction; undefined where it is none. */
export function parseTimestamp(text: string | undefined): number | undefined {
  const ms = Date.parse((text ?? '').replace(/(\.\d{3})\d+/, '$1'))
  return Number.isNaN(ms) ? undefined : ms
}
