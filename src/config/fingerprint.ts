import { Secret } from '../util/secret.js'

/**
 * Returns a text that is equal for equal values and different for different values. The text
 * contains secrets in clear text, so callers must not log or store it.
 */
export function fingerprint(value: unknown): string {
  if (value instanceof Secret) return `secret ${JSON.stringify(value.reveal())}`
  if (Array.isArray(value)) return `[${value.map(fingerprint).join(',')}]`
  if (typeof value !== 'object' || value === null) return `${typeof value} ${JSON.stringify(value) ?? String(value)}`
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${fingerprint(field)}`).join(',')}}`
}
