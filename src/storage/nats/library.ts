// The parts of the NATS client that this package uses, in one module: the package contains it as a
// separate file that every thread loads (see scripts/bundle.mjs), only for NATS. Types are imported
// from the client's packages.
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
