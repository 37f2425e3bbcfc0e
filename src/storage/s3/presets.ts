import type { ConditionalWritesMode } from './settings.js'

/** What a service wants differently from AWS, and how its region is known. */
export interface Preset {
  /** Of the endpoint, without the bucket; a group `region` is the region that requests are signed for. */
  readonly host: RegExp
  /** The region where the host does not tell it. */
  readonly region?: string
  readonly requireContentMd5?: boolean
  readonly concurrency?: number
  readonly equalParts?: boolean
  readonly headers?: Readonly<Record<string, string>>
  readonly unsignableHeaders?: readonly string[]
  /** Only for services whose documentation promises If-None-Match and If-Match on PUT: others are probed. */
  readonly conditionalWrites?: ConditionalWritesMode
}

/** By the documentation of each service, and by what its users report; docs/providers has a page for those with one. */
const PRESETS: readonly Preset[] = [
  {
    host: /^(?:.+\.)?s3[.-](?:dualstack\.|fips\.)?(?<region>[a-z]{2}(?:-[a-z]+)+-\d)(?:\.vpce)?\.amazonaws\.com(?:\.cn)?$/,
    conditionalWrites: 'always',
  },
  {
    // Without the header a read may be answered from another region's copy, which lags.
    host: /^(fly\.storage\.tigris\.dev|t3\.storage\.dev)$/,
    region: 'auto',
    requireContentMd5: false,
    headers: { 'X-Tigris-Consistent': 'true' },
  },
  // Refuses more than a few parts at once, and parts of different sizes.
  {
    host: /\.r2\.cloudflarestorage\.com$/,
    region: 'auto',
    concurrency: 2,
    equalParts: true,
    conditionalWrites: 'always',
  },
  // Google's front end rewrites Accept-Encoding on the way, which would break the signature over it.
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

/** The preset for an endpoint's host, with the region that the host tells; undefined for a host that is not known. */
export function presetOf(
  hostname: string,
): (Omit<Preset, 'host'> & { readonly region?: string | undefined }) | undefined {
  for (const { host, ...preset } of PRESETS) {
    const match = host.exec(hostname.toLowerCase())
    if (match !== null) return { ...preset, region: match.groups?.region ?? preset.region }
  }
  return undefined
}
