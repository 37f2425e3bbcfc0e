// The modules that an open replica needs after its first row: the poll loop, the search for lost
// files, and the views of an earlier worker. The worker loads these modules later than the others.
export { Poller, RELIST_INTERVAL_MS } from './chain/poller.js'
export { exactState, replicaWasReset, unavailable } from './chain/stale-view.js'
export { LostFiles } from './lost-files.js'
