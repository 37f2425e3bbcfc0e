// The modules that a replica needs for writing, which are loaded when a replica is opened for
// writing.
export { CommitAdoption } from './adoption.js'
export { LocalFiles } from './local-files.js'
export { ReplicaWriter } from './writer.js'
