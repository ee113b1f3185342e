export { parseSigningKeyId } from './signing-key-id.js'
export { type SigningKeyProblem, SigningKeys } from './signing-keys.js'
export { parseSigningSecrets, SigningSecret } from './signing-secret.js'
export { type SignedWaitpoint, waitpointTokenCharsMax } from './waitpoint-token.js'
