import type { AddSigningKey, RetireSigningKey } from '../contract/keyring.js'
import { limits } from '../limits.js'
import { parseSigningKeyId } from '../signing/signing-key-id.js'
import { checkInteger, checkObject, checkOptionalInteger, checkSha256 } from './fields.js'

export function checkAddSigningKey(params: AddSigningKey): void {
  checkObject(params, '')
  parseSigningKeyId(params.keyId)
  checkSha256(params.fingerprint, 'fingerprint')
  checkOptionalInteger(params.signsFromMs, 'signsFromMs', 0, limits.timeMsMax)
}

export function checkRetireSigningKey(params: RetireSigningKey): void {
  checkObject(params, '')
  parseSigningKeyId(params.keyId)
  checkInteger(params.verifyUntilMs, 'verifyUntilMs', 0, limits.timeMsMax)
}
