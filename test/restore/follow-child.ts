// Follows a replica (first argument) into a file (second) until it is killed; prints every TXID it
// reaches.
import { follow } from '../../src/restore/follow.js'
import { openReplicaClient } from '../../src/storage/open.js'

const [url, output] = process.argv.slice(2) as [string, string]
const client = await openReplicaClient(url)
await follow(client, {
  output,
  interval: 5,
  signal: new AbortController().signal,
  onAdvance: ({ txid }) => process.stdout.write(`${txid}\n`),
  onError: (error) => process.stderr.write(`${error}\n`),
})
