const useColor = () => process.stdout.isTTY === true && !process.env.NO_COLOR

export const bold = (text: string): string => (useColor() ? `\x1b[1m${text}\x1b[22m` : text)
export const dim = (text: string): string => (useColor() ? `\x1b[2m${text}\x1b[22m` : text)
export const red = (text: string): string => (useColor() ? `\x1b[31m${text}\x1b[39m` : text)
export const green = (text: string): string => (useColor() ? `\x1b[32m${text}\x1b[39m` : text)

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** A line on the standard error output, so that output for programs stays as it is. */
export function warn(text: string): void {
  process.stderr.write(`Warning: ${text}\n`)
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2))
}

/** Columns padded to their widest cell, two spaces between, no space at the end of a line. */
export function formatTable(headers: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headers.map((header, i) => Math.max(header.length, ...rows.map((row) => row[i]!.length)))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd()
  return [bold(line(headers)), ...rows.map(line)].join('\n')
}

export function printTable(headers: readonly string[], rows: readonly (readonly string[])[]): void {
  print(formatTable(headers, rows))
}

/** `key: value` lines, the values under one another. */
export function printBlock(fields: Readonly<Record<string, string | number>>): void {
  const width = Math.max(...Object.keys(fields).map((key) => key.length)) + 1
  for (const [key, value] of Object.entries(fields)) print(`${`${key}:`.padEnd(width)} ${value}`)
}

/** RFC 3339 in UTC to the second, as Go prints it. */
export function formatTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z')
}
