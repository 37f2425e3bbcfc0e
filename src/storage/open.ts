import type { FileSettings } from './file/file-client.js'
import type { NatsSettings } from './nats/settings.js'
import type { ReplicaClient } from './replica-client.js'
import type { S3Settings } from './s3/settings.js'
import { parseReplicaUrl } from './url.js'

/** What a URL does not say or the caller knows better; each setting given here wins over the URL's. */
export interface OpenReplicaClientOptions {
  readonly file?: FileSettings
  readonly s3?: S3Settings
  readonly nats?: NatsSettings & { readonly bucket?: string }
  /** Ends the opening, and no more: each request takes a signal of its own. */
  readonly signal?: AbortSignal
}

/**
 * Opens the replica that `url` names. The code of a backend, and the SDK under it, is loaded only when a URL of its scheme is
 * opened. Throws INVALID_URL for a URL that cannot be one, ACCESS_DENIED where what is there may not be read; that nothing is
 * there yet is no error.
 */
export async function openReplicaClient(url: string, options: OpenReplicaClientOptions = {}): Promise<ReplicaClient> {
  const location = parseReplicaUrl(url)
  switch (location.type) {
    case 'file': {
      const { FileReplicaClient } = await import('./file/file-client.js')
      return FileReplicaClient.open(location, options.file)
    }
    case 's3': {
      const { S3ReplicaClient } = await import('./s3/s3-client.js')
      return S3ReplicaClient.open(location, options.s3)
    }
    case 'nats': {
      const { NatsReplicaClient } = await import('./nats/nats-client.js')
      return NatsReplicaClient.open(location, options.nats, options.signal)
    }
  }
}
