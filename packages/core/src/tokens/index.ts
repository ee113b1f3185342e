export {
  hashesMatch,
  hashTokenSecret,
  judgeToken,
  type MintedApiToken,
  mintApiToken,
  normaliseToken,
  type PresentedApiToken,
  readApiToken,
  type StoredApiToken,
} from './api-token.js'
