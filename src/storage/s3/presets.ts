import type { ConditionalWritesMode } from './settings.js'

/** Settings in which a service differs from AWS, and its region. */
export interface Preset {
  /** Host of the endpoint without the bucket; the group `region` is the signing region. */
  readonly host: RegExp
  /** The region if the host does not contain it. */
  readonly region?: string
  readonly requireContentMd5?: boolean
  readonly concurrency?: number
  readonly equalParts?: boolean
  readonly headers?: Readonly<Record<string, string>>
  readonly unsignableHeaders?: readonly string[]
  /**
   * Set only if the service's documentation promises If-None-Match and If-Match on PUT; other
   * services are probed.
   */
  readonly conditionalWrites?: ConditionalWritesMode
}

/**
 * From the documentation of each service, and from reports of users; docs/providers has pages for
 * some.
 */
const PRESETS: readonly Preset[] = [
  {
    host: /^(?:.+\.)?s3[.-](?:dualstack\.|fips\.)?(?<region>[a-z]{2}(?:-[a-z]+)+-\d)(?:\.vpce)?\.amazonaws\.com(?:\.cn)?$/,
    conditionalWrites: 'always',
  },
  {
    // Without this header, a stale copy in another region may answer a read.
    host: /^(fly\.storage\.tigris\.dev|t3\.storage\.dev)$/,
    region: 'auto',
    requireContentMd5: false,
    headers: { 'X-Tigris-Consistent': 'true' },
  },
  // Refuses more than a few parallel parts, and parts of different sizes.
  {
    host: /\.r2\.cloudflarestorage\.com$/,
    region: 'auto',
    concurrency: 2,
    equalParts: true,
    conditionalWrites: 'always',
  },
  // Google's front end rewrites Accept-Encoding, which would break its signature.
  { host: /^storage[a-z0-9.-]*\.googleapis\.com$/, region: 'auto', unsignableHeaders: ['accept-encoding'] },
  { host: /^s3\.(?<region>[a-z0-9-]+)\.backblazeb2\.com$/ },
  { host: /^(?<region>[a-z0-9]+)\.digitaloceanspaces\.com$/ },
  { host: /^s3\.(?<region>[a-z0-9-]+)\.wasabisys\.com$/ },
  { host: /^s3\.(?<region>[a-z0-9-]+)\.scw\.cloud$/ },
  { host: /^(?<region>[a-z0-9]+)\.your-objectstorage\.com$/ },
  { host: /^s3\.(?<region>[a-z0-9-]+)\.(?:io|perf)?\.?cloud\.ovh\.(?:net|us)$/ },
  { host: /^(?<region>[a-z0-9-]+)\.linodeobjects\.com$/ },
  { host: /^(?<region>[a-z0-9]+)\.vultrobjects\.com$/ },
  { host: /^sos-(?<region>[a-z0-9-]+)\.exo\.io$/ },
  { host: /\.compat\.objectstorage\.(?<region>[a-z0-9-]+)\.oraclecloud\.com$/ },
  { host: /^s3\.(?<region>[a-z0-9-]+)\.ionoscloud\.com$/ },
  { host: /^(?:s3\.)?oss-(?<region>[a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com$/ },
]

/**
 * The preset for an endpoint's host, with the region from the host; undefined for an unknown host.
 */
export function presetOf(
  hostname: string,
): (Omit<Preset, 'host'> & { readonly region?: string | undefined }) | undefined {
  for (const { host, ...preset } of PRESETS) {
    const match = host.exec(hostname.toLowerCase())
    if (match !== null) return { ...preset, region: match.groups?.region ?? preset.region }
  }
  return undefined
}
