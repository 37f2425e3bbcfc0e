import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { openReplicaClient } from '../../src/storage/open.js'
import { publishSnapshot } from './publish.js'

/** Makes a replica of a database file, one snapshot, in a directory; returns its URL. */
export async function fileReplica(directory: string, file: string, name = 'replica'): Promise<string> {
  const url = pathToFileURL(path.join(directory, name)).href
  const client = await openReplicaClient(url)
  await publishSnapshot(client, file)
  await client.close()
  return url
}
