/** Formats a number of bytes for users, in binary units: `512 B`, `1.5 KiB`, `64 MiB`. */
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

/** Formats a number of bytes in decimal units, as Litestream does: `512 B`, `1.5 kB`, `33 kB`. */
export function formatDecimalBytes(bytes: number): string {
  if (bytes < 10) return `${bytes} B`
  let value = bytes
  let unit = 'B'
  for (const next of ['kB', 'MB', 'GB', 'TB']) {
    if (value < 1000) break
    value /= 1000
    unit = next
  }
  return unit !== 'B' && value < 10
    ? `${(Math.round(value * 10) / 10).toFixed(1)} ${unit}`
    : `${Math.round(value)} ${unit}`
}
