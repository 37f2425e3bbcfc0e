import type { Operation } from '../storage/replica-client.js'

/** Milliseconds of a month of 30 days. */
const MONTH_MS = 30 * 24 * 3_600_000

/**
 * US dollars per request in the first region of each provider, list prices of 2026: `write` for PUT
 * and LIST, `read` for GET and HEAD. Deletions are free.
 */
const PRICES: Readonly<Record<string, { readonly write: number; readonly read: number; readonly name: string }>> = {
  s3: { write: 5e-6, read: 0.4e-6, name: 'AWS S3 Standard' },
  gs: { write: 5e-6, read: 0.4e-6, name: 'Google Cloud Storage Standard' },
  abs: { write: 5.5e-6, read: 0.44e-6, name: 'Azure Blob Storage Hot' },
}

/** Requests of the two classes for which stores charge. */
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
  /** US dollars; undefined for a store without prices for requests. */
  readonly cost: number | undefined
  /** Whose prices. */
  readonly prices: string | undefined
}

/** Converts a rate in requests per millisecond to requests and US dollars per 30 days. */
export function monthlyRequests(type: string, { writes, reads }: BilledRequests): MonthlyRequests {
  const price = PRICES[type]
  return {
    requests: Math.round((writes + reads) * MONTH_MS),
    cost: price && (writes * price.write + reads * price.read) * MONTH_MS,
    prices: price?.name,
  }
}
