/** Formats a number of bytes for users in binary units, such as `512 B`, `1.5 KiB` or `64 MiB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  let value = bytes
  let unit = 'B'
  for (const next of ['KiB', 'MiB', 'GiB', 'TiB']) {
    if (value < 1024) break
    value /= 1024
    unit = next
  }
  return `${value < 10 ? Number(value.toFixed(1)) : Math.round(value)} ${unit}`
}

/**
 * Formats a number of bytes in decimal units as Litestream does, such as `512 B`, `1.5 kB` or
 * `33 kB`.
 */
export function formatDecimalBytes(bytes: number): string {
  if (bytes < 10) return `${bytes} B`
  let value = bytes
  let unit = 'B'
  for (const next of ['kB', 'MB', 'GB', 'TB']) {
    if (value < 1000) break
    value /= 1000
    unit = next
  }
  const tenths = Math.floor(value * 10 + 0.5) / 10
  return unit !== 'B' && tenths < 10 ? `${tenths.toFixed(1)} ${unit}` : `${roundHalfEven(tenths)} ${unit}`
}

/** Rounds to an integer as Go's text formatting does. A half is rounded to the even neighbour. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value)
  return value - floor === 0.5 ? floor + (floor % 2) : Math.round(value)
}
