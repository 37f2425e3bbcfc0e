// Restores the replica at a URL (first argument) to a file (second) and prints what it is doing.
import { restore } from '../../src/restore/restore.js'
import { openReplicaClient } from '../../src/storage/open.js'

const [url, output] = process.argv.slice(2) as [string, string]
const client = await openReplicaClient(url)
await restore(client, { output, onProgress: ({ phase }) => console.log(phase) })
console.log('done')
