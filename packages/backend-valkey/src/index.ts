export type { InspectedExecution } from './inspect/inspect-execution.js'
export type { ValkeyBackendOptions } from './options.js'
export { createValkeyBackend, type ValkeyBackend } from './valkey-backend.js'
