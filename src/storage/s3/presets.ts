import type { ConditionalWritesMode } from './settings.js'

/** The region of a storage service, and the settings in which the service differs from AWS. */
export interface Preset {
  /**
   * Pattern of the endpoint's host. The host does not include the bucket. The group `region` of the
   * pattern matches the region that the client uses in its signatures.
   */
  readonly host: RegExp
  /** The region that the client uses if the host contains no region. */
  readonly region?: string
  readonly requireContentMd5?: boolean
  readonly concurrency?: number
  readonly equalParts?: boolean
  readonly headers?: Readonly<Record<string, string>>
  readonly unsignableHeaders?: readonly string[]
  /**
   * Mode of conditional writes. The preset sets the mode only if the service's documentation
   * promises If-None-Match and If-Match on PUT. If the mode is not set, the client probes the
   * service.
   */
  readonly conditionalWrites?: ConditionalWritesMode
}

/**
 * The presets come from the documentation of each service and from reports of users. docs/providers
 * has pages for some of the services in PRESETS.
 */
const PRESETS: readonly Preset[] = [
  {
    host: /^(?:.+\.)?s3[.-](?:dualstack\.|fips\.)?(?<region>[a-z]{2}(?:-[a-z]+)+-\d)(?:\.vpce)?\.amazonaws\.com(?:\.cn)?$/,
    conditionalWrites: 'always',
  },
  {
    // Without the header in this preset, Tigris may answer a read with a stale copy from another
    // region.
    host: /^(fly\.storage\.tigris\.dev|t3\.storage\.dev)$/,
    region: 'auto',
    requireContentMd5: false,
    headers: { 'X-Tigris-Consistent': 'true' },
  },
  // Cloudflare R2 refuses more than a few parallel parts, and parts of different sizes.
  {
    host: /\.r2\.cloudflarestorage\.com$/,
    region: 'auto',
    concurrency: 2,
    equalParts: true,
    conditionalWrites: 'always',
  },
  // Google's front end changes Accept-Encoding, so a signature over Accept-Encoding would be wrong.
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
 * Returns the preset for an endpoint's host. If the host contains a region, the returned preset has
 * this region. Returns undefined for an unknown host.
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
