// A primary in a separate process that tests kill: `node primary-process.js FILE URL OPTIONS`.
// Prints each event as a line of JSON, and `synced N` after each line of input when everything is
// in the replica. SIGTERM: final sync, reported by the exit status.
import { createInterface } from 'node:readline'
import { Replicator } from '../../src/primary/replicator.js'
import { openReplicaClient } from '../../src/storage/open.js'

const [file, url, options] = process.argv.slice(2)
const replicator = new Replicator(file!, await openReplicaClient(url!), JSON.parse(options ?? '{}'), (name, event) => {
  const error = 'error' in event && event.error ? { code: event.error.code, message: event.error.message } : undefined
  console.log(JSON.stringify({ name, ...event, ...(error ? { error } : {}) }))
})
process.on('SIGTERM', async () => {
  try {
    await replicator.close()
    process.exit(0)
  } catch (error) {
    console.error(error)
    process.exit(1)
  }
})
createInterface(process.stdin).on('line', async () => {
  const { txid } = await replicator.sync({ wait: true })
  console.log(`synced ${txid}`)
})
replicator.start()
