// The parts of the NATS client that this package uses. scripts/bundle.mjs writes these parts to one
// separate file. A thread loads the file with the NATS client only for a NATS replica. Types are
// imported from the packages of the NATS client.
export {
  AckPolicy,
  DeliverPolicy,
  JetStreamApiError,
  jetstream,
  jetstreamManager,
  StorageType,
} from '@nats-io/jetstream'
export { Objm } from '@nats-io/obj'
export {
  connect,
  createInbox,
  credsAuthenticator,
  errors,
  headers,
  jwtAuthenticator,
  nanos,
  nkeyAuthenticator,
  nkeys,
  nuid,
} from '@nats-io/transport-node'
