export { createEmbedded, type Embedded, type EmbeddedInfo, type EmbeddedOptions } from './create-embedded.js'
export type { EmbeddedTransaction, Transactions, ValkeyStoreOptions } from './open-store.js'
export { keepSigningSecrets } from './signing-file.js'
export { describeAddress, readStoreAddress, type StoreAddress } from './store-address.js'
