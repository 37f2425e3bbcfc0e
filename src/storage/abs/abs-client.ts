import { type ObjectClientOptions, ObjectReplicaClient } from '../objects/object-client.js'
import { AbsStore } from './abs-store.js'
import type { AbsLocation } from './location.js'
import type { AbsSettings } from './settings.js'

/**
 * Opens the client of a replica in a container of Azure Blob Storage. Blobs are named
 * `<path>/ltx/<level>/<min>-<max>.ltx`. openAbsClient() sends no request. Throws PACKAGE_MISSING,
 * or INVALID_URL for incomplete settings.
 */
export function openAbsClient(
  location: AbsLocation,
  settings: AbsSettings = {},
  options: ObjectClientOptions = {},
): ObjectReplicaClient {
  return new ObjectReplicaClient(new AbsStore(location, settings, options.pageSize), location.path, options)
}
