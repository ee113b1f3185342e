export { createEmbedded, type Embedded, type EmbeddedInfo, type EmbeddedOptions } from './create-embedded.js'
