/** Statistics of repeated measurements: the median and the quartiles. */
export interface Spread {
  readonly median: number
  readonly low: number
  readonly high: number
  readonly n: number
}

/** The value below which a share of the sorted values lies, interpolated. */
export function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share
  const below = sorted[Math.floor(at)]!
  return below + (sorted[Math.ceil(at)]! - below) * (at - Math.floor(at))
}

export function spread(values: readonly number[]): Spread {
  if (values.length === 0) throw new Error('nothing was measured')
  const sorted = [...values].sort((a, b) => a - b)
  return {
    median: quantile(sorted, 0.5),
    low: quantile(sorted, 0.25),
    high: quantile(sorted, 0.75),
    n: sorted.length,
  }
}

/** The spread of one figure of what was measured; null where nothing was. */
export function spreadOf<T>(measured: readonly T[], pick: (one: T) => number): Spread | null {
  return measured.length === 0 ? null : spread(measured.map(pick))
}

/** Spread of a / b, round by round, because a disturbance of a round affects both. */
export function ratios(a: readonly number[], b: readonly number[]): Spread {
  return spread(a.map((value, i) => value / b[i]!))
}

export function isSpread(value: unknown): value is Spread {
  return typeof value === 'object' && value !== null && 'median' in value
}
