// The worker thread of replicate(), which runs one Replicator and answers the messages of the
// handle.
import { parentPort, workerData } from 'node:worker_threads'
import { serializeError } from '../errors.js'
import { openReplicaClient } from '../storage/open.js'
import type { StoreOutage } from '../storage/outage.js'
import type { PrimaryObserver } from './events.js'
import { ownedStorage } from './owned-storage.js'
import { type CallMessage, type PrimaryCalls, type PrimaryWorkerData, READY, type WorkerMessage } from './protocol.js'
import { Replicator } from './replicator.js'

const port = parentPort!
const { path, url, storage, options } = workerData as PrimaryWorkerData

const send = (message: WorkerMessage) => port.postMessage(message)

const observe: PrimaryObserver = (name, event) => {
  if ('error' in event && event.error !== undefined) {
    const { error, ...rest } = event
    send({ kind: 'event', name, event: rest, error: serializeError(error) })
  } else {
    send({ kind: 'event', name, event })
  }
}

async function start(): Promise<void> {
  const closing = new AbortController()
  const onOutage = (outage: StoreOutage) => observe('outage', { db: path, ...outage })
  const client = await openReplicaClient(url, { ...ownedStorage(path, storage), onOutage })
  const replicator = new Replicator(path, client, options, observe)
  const calls: PrimaryCalls = {
    sync: (sync) => replicator.sync(sync),
    checkpoint: (mode) => replicator.checkpoint(mode),
    status: async () => replicator.status(),
    acknowledge: () => replicator.acknowledge(),
    close: () => replicator.close(closing.signal),
  }
  port.on('message', async ({ id, call, argument }: CallMessage) => {
    if (call === 'abort') {
      closing.abort()
      return
    }
    try {
      const value = await (calls[call] as (argument: unknown) => Promise<unknown>)(argument)
      send({ kind: 'result', id, value })
    } catch (error) {
      send({ kind: 'failure', id, error: serializeError(error) })
    }
  })
  replicator.start()
  send({ kind: 'result', id: READY, value: undefined })
}

start().catch((error) => send({ kind: 'failure', id: READY, error: serializeError(error) }))
