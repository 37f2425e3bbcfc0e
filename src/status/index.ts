export { registerReplicaMetrics } from './metrics/replica-metrics.js'
export { type ServeReplicasOptions, type StatusServer, serveReplicas } from './serve-replicas.js'
