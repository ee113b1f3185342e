export { parseSigningKeyId } from './signing-key-id.js'
export { type NamedWebhookSecret, type SigningKeyProblem, SigningKeys } from './signing-keys.js'
export { parseSigningSecrets, SigningSecret } from './signing-secret.js'
export { type SignedWaitpoint, waitpointTokenCharsMax } from './waitpoint-token.js'
export type {
  MintedWaitpointToken,
  MintWaitpointToken,
  OpenWaitpointOutcome,
  SignalByToken,
  WaitpointTokens,
} from './waitpoint-tokens.js'
