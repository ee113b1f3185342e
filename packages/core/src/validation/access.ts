import {
  type NamespaceRecord,
  type NewApiToken,
  type PutAccess,
  tokenScopes,
  type VerifyToken,
} from '../contract/access.js'
import type { PageRequest, Scoped } from '../contract/conventions.js'
import { engineError } from '../errors/engine-error.js'
import { isTokenId, parseTokenId, type TokenId } from '../ids/index.js'
import { limits } from '../limits.js'
import { isNamespace, parseLaneId, parseNamespace } from '../names.js'
import {
  checkInteger,
  checkList,
  checkObject,
  checkSha256,
  checkText,
  checkWord,
  invalidParam,
} from './fields.js'
import { checkPageRequest, checkScoped } from './scope.js'

export function checkPutAccess(params: PutAccess): void {
  checkObject(params, '')
  checkWord(params.kind, 'kind', ['token', 'namespace'])
  if (params.kind === 'token') {
    checkToken(params.token)
    checkSha256(params.hash, 'hash')
  } else checkNamespaceRecord(params.namespace)
}

function checkToken(token: NewApiToken): void {
  checkObject(token, 'token')
  parseTokenId(token.id)
  checkText(token.label, 'label', limits.labelBytesMax)
  checkList(token.scopes, 'scopes', tokenScopes.length, 1)
  for (const scope of token.scopes) checkWord(scope, 'scopes', tokenScopes)
  checkNames(token.namespaces, 'namespaces', parseNamespace)
  checkNames(token.lanes, 'lanes', parseLaneId)
  if (token.expiresAtMs !== null) checkInteger(token.expiresAtMs, 'expiresAtMs', 0, limits.timeMsMax)
  // Whoever makes tokens could give himself what he lacks.
  if (token.scopes.includes('admin') && (token.namespaces !== null || token.lanes !== null)) {
    throw invalidParam('scopes', 'admin is for tokens of all namespaces and lanes alone')
  }
}

function checkNames(names: readonly string[] | null, path: string, parse: (text: string) => string): void {
  if (names === null) return
  checkList(names, path, limits.tokenNamesMax, 1)
  for (const name of names) parse(name)
}

function checkNamespaceRecord(record: NamespaceRecord): void {
  checkObject(record, 'namespace')
  parseNamespace(record.namespace)
  checkText(record.label, 'label', limits.labelBytesMax)
  if (typeof record.accepting !== 'boolean') throw invalidParam('accepting', 'must be true or false')
}

/** Answers the id after which the page begins. */
export function checkListTokens(params: PageRequest): TokenId | undefined {
  checkObject(params, '')
  checkPageRequest(params)
  if (params.cursor === undefined || isTokenId(params.cursor)) return params.cursor
  throw otherCursor()
}

/** Answers the name after which the page begins. */
export function checkListNamespaces(params: PageRequest): string | undefined {
  checkObject(params, '')
  checkPageRequest(params)
  if (params.cursor === undefined || isNamespace(params.cursor)) return params.cursor
  throw otherCursor()
}

export function checkGetNamespace(params: Scoped): void {
  checkScoped(params)
}

export function checkRevokeToken(params: { readonly tokenId: TokenId }): void {
  checkObject(params, '')
  parseTokenId(params.tokenId)
}

export function checkVerifyToken(params: VerifyToken): void {
  checkObject(params, '')
  parseTokenId(params.tokenId)
  checkSha256(params.hash, 'hash')
}

function otherCursor() {
  return engineError('invalid_cursor', 'The cursor is malformed, or belongs to another listing')
}
