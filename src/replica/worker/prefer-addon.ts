// The first import of the worker: later ones load the addon.
import { workerData } from 'node:worker_threads'
import { preferAddon } from '../../native/addon.js'

/** `workerData` of the replica worker. */
export interface ReplicaWorkerData {
  /** The path of the addon that the thread that started the worker has loaded. */
  readonly addon: string
}

const { addon } = workerData as Partial<ReplicaWorkerData>
// The worker need not search for the addon again.
if (addon !== undefined) preferAddon(addon)
