export type { InspectedExecution } from './inspect/inspect-execution.js'
export type { PostgresBackendOptions } from './options.js'
export { type OpenedPglite, type OpenPgliteOptions, openPglite } from './pglite/open-pglite.js'
export { createPostgresBackend, type PostgresBackend } from './postgres-backend.js'
export type { Transaction, TransactionOperations, TransactionOptions } from './transactions/index.js'
export type {
  KyselyTransaction,
  SqlTransaction,
  TransactionClient,
} from './transactions/transaction-client.js'
