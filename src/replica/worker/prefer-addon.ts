// The worker imports this module first, because later imports load the addon.
import { workerData } from 'node:worker_threads'
import { preferAddon } from '../../native/addon.js'

/** The `workerData` that the replica worker gets at its start. */
export interface ReplicaWorkerData {
  /** The path of the native addon. The thread that started the worker has loaded this addon. */
  readonly addon: string
}

const { addon } = workerData as Partial<ReplicaWorkerData>
// With this path, the worker need not search for the native addon again.
if (addon !== undefined) preferAddon(addon)
