/** Real servers, for the packages beside this one. */
export { startPostgres } from './postgres.js'
export { startValkey, type ValkeyServer } from './valkey.js'
export { startValkeyCluster } from './valkey-cluster.js'
