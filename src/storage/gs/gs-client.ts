import { type ObjectClientOptions, ObjectReplicaClient } from '../objects/object-client.js'
import { GsStore } from './gs-store.js'
import type { GsLocation } from './location.js'
import type { GsSettings } from './settings.js'

/**
 * Opens the client of a replica in a bucket of Google Cloud Storage. Objects are named
 * `<path>/ltx/<level>/<min>-<max>.ltx`. openGsClient() sends no request. Throws PACKAGE_MISSING, or
 * INVALID_URL for an invalid endpoint.
 */
export function openGsClient(
  location: GsLocation,
  settings: GsSettings = {},
  options: ObjectClientOptions = {},
): ObjectReplicaClient {
  return new ObjectReplicaClient(new GsStore(location, settings, options.pageSize), location.path, options)
}
