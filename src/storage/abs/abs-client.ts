import { type ObjectClientOptions, ObjectReplicaClient } from '../objects/object-client.js'
import { AbsStore } from './abs-store.js'
import type { AbsLocation } from './location.js'
import type { AbsSettings } from './settings.js'

/**
 * A replica in a container of Azure Blob Storage: `<path>/ltx/<level>/<min>-<max>.ltx`. Sends no
 * request. Throws PACKAGE_MISSING, and INVALID_URL for incomplete settings.
 */
export function openAbsClient(
  location: AbsLocation,
  settings: AbsSettings = {},
  options: ObjectClientOptions = {},
): ObjectReplicaClient {
  return new ObjectReplicaClient(new AbsStore(location, settings, options.pageSize), location.path, options)
}
