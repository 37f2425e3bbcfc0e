import { Secret } from '../util/secret.js'

/**
 * A text that is equal for equal values, also of secrets, and differs for others. The text contains
 * the secrets: compare it, and neither log nor keep it.
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
