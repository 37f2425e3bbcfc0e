// The code of writing, which is loaded when a replica is opened for writing.
export { CommitAdoption } from './adoption.js'
export { LocalFiles } from './local-files.js'
export { ReplicaWriter } from './writer.js'
