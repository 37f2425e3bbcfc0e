/** Functions that format sizes, durations, times and numbers for users. */

export function bytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = n
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`
}

/** `ms` is a duration in milliseconds. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  const s = ms / 1000
  if (s < 10) return `${s.toFixed(1)} s`
  if (s < 60) return `${Math.round(s)} s`
  if (s < 3600) return joined(Math.floor(s / 60), 'min', Math.floor(s % 60), 's')
  if (s < 86_400) return joined(Math.floor(s / 3600), 'h', Math.floor((s % 3600) / 60), 'min')
  return joined(Math.floor(s / 86_400), 'd', Math.floor((s % 86_400) / 3600), 'h')
}

function joined(large: number, unit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${unit}` : `${large} ${unit} ${small} ${smallUnit}`
}

/** `at` and `now` are milliseconds since the epoch. */
export function ago(at: number, now: number): string {
  const ms = now - at
  return ms < 1000 ? 'now' : `${duration(ms)} ago`
}

const CLOCK = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const

/** Formats hours and minutes. `at` is milliseconds since the epoch. */
export function clock(at: number): string {
  return new Date(at).toLocaleTimeString(undefined, CLOCK)
}

/** Formats a time of day, preceded by the date unless the date is today. */
export function moment(at: number, now: number = Date.now()): string {
  const date = new Date(at)
  const isToday = date.toDateString() === new Date(now).toDateString()
  const day = date.toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric' })
  const time = date.toLocaleTimeString(undefined, { ...CLOCK, second: '2-digit' })
  return isToday ? time : `${day}, ${time}`
}

export function txid(id: number): string {
  return id.toString(16).padStart(16, '0')
}

export function count(n: number): string {
  return n.toLocaleString('en-US')
}

export function plural(n: number, one: string, many: string = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`
}

/** Formats an amount in US dollars. */
export function money(usd: number): string {
  if (usd > 0 && usd < 0.01) return 'less than $0.01'
  return `$${usd < 100 ? usd.toFixed(2) : count(Math.round(usd))}`
}

/** Splits a path into its last name and the folder before that name. */
export function splitPath(path: string): { readonly name: string; readonly folder: string } {
  const at = path.lastIndexOf('/')
  return at < 0 ? { name: path, folder: '' } : { name: path.slice(at + 1), folder: path.slice(0, at) || '/' }
}
