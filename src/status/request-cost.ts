import type { Operation } from '../storage/replica-client.js'

/** Number of milliseconds in a month of 30 days. */
const MONTH_MS = 30 * 24 * 3_600_000

/**
 * US dollars per request in the first region of each provider. The source is the list prices of
 * 2026. `write` is the price of a PUT or LIST, and `read` is the price of a GET or HEAD. Deletions
 * are free.
 */
const PRICES: Readonly<Record<string, { readonly write: number; readonly read: number; readonly name: string }>> = {
  s3: { write: 5e-6, read: 0.4e-6, name: 'AWS S3 Standard' },
  gs: { write: 5e-6, read: 0.4e-6, name: 'Google Cloud Storage Standard' },
  abs: { write: 5.5e-6, read: 0.44e-6, name: 'Azure Blob Storage Hot' },
}

/** Numbers of requests in the two classes for which stores charge. */
export interface BilledRequests {
  readonly writes: number
  readonly reads: number
}

export function billedRequests(stats: Readonly<Record<Operation, { readonly requests: number }>>): BilledRequests {
  const { PUT, LIST, GET, HEAD } = stats
  return { writes: PUT.requests + LIST.requests, reads: GET.requests + HEAD.requests }
}

export interface MonthlyRequests {
  readonly requests: number
  /** The cost in US dollars, or undefined for a store that does not charge for requests. */
  readonly cost: number | undefined
  /** The store whose prices were used. */
  readonly prices: string | undefined
}

/**
 * Converts a rate in requests per millisecond to the requests of 30 days and their cost in US
 * dollars.
 */
export function monthlyRequests(type: string, { writes, reads }: BilledRequests): MonthlyRequests {
  const price = PRICES[type]
  return {
    requests: Math.round((writes + reads) * MONTH_MS),
    cost: price && (writes * price.write + reads * price.read) * MONTH_MS,
    prices: price?.name,
  }
}
