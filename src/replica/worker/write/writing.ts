// The modules that a replica needs for writing. A worker loads these modules when a replica is
// opened for writing.
export { CommitAdoption } from './adoption.js'
export { LocalFiles } from './local-files.js'
export { ReplicaWriter } from './writer.js'
