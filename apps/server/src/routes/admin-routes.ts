import { type FoundationBackend, mintApiToken, type TokenId } from '@flowfabric/core'
import {
  type CreatedToken,
  type CreateToken,
  type IdMint,
  type WireOperation,
  wire,
} from '@flowfabric/core/wire'
import type { Engine } from '@flowfabric/engine'
import type { FastifyInstance } from 'fastify'
import { serveOperation } from './serve-operation.js'

/** Signing keys, API tokens, namespaces, and what operators did. */
export function serveAdmin(app: FastifyInstance, engine: Engine, mint: IdMint): void {
  serveKeyring(app, engine, mint)
  serveTokens(app, engine.backend, mint)
  const { access, audit } = engine.backend
  serveOperation(app, mint, wire.access.putNamespace, ({ namespace, label, accepting }) =>
    access.put({ kind: 'namespace', namespace: { namespace, label, accepting } }),
  )
  serveOperation(app, mint, wire.access.listNamespaces, (params) => access.listNamespaces(params))
  serveOperation(app, mint, wire.audit.list, (params) => audit.list(params))
}

function serveKeyring(app: FastifyInstance, { backend: { keyring }, signing }: Engine, mint: IdMint): void {
  serveOperation(app, mint, wire.keyring.list, () => keyring.list())
  serveOperation(app, mint, wire.keyring.add, async ({ keyId, fingerprint, signsFromMs }) => {
    const answer = await keyring.add({
      keyId,
      fingerprint: fingerprint ?? signing.fingerprintOf(keyId),
      signsFromMs,
    })
    signing.refresh()
    return answer
  })
  serveOperation(app, mint, wire.keyring.retire, async ({ keyId, verifyUntilMs }) => {
    const answer = await keyring.retire({ keyId, verifyUntilMs })
    signing.refresh()
    return answer
  })
}

/** Minted before it is recorded who asked for it: the audit log names the token. */
interface MintedToken extends CreateToken {
  readonly tokenId: TokenId
  readonly hash: string
  readonly text: string
}

function serveTokens(app: FastifyInstance, { access }: FoundationBackend, mint: IdMint): void {
  const createToken: WireOperation<MintedToken, CreatedToken> = {
    ...wire.access.createToken,
    readRequest: (call) => {
      const { id: tokenId, hash, text } = mintApiToken()
      return { params: { ...wire.access.createToken.readRequest(call).params, tokenId, hash, text } }
    },
  }
  serveOperation(app, mint, createToken, async ({ tokenId: id, hash, text, ...asked }, _request, reply) => {
    const { label, scopes, namespaces, lanes, expiresAtMs } = asked
    await access.put({
      kind: 'token',
      token: { id, label, scopes, namespaces, lanes, expiresAtMs },
      hash,
    })
    reply.header('cache-control', 'no-store')
    return { outcome: 'created' as const, id, text }
  })
  serveOperation(app, mint, wire.access.listTokens, (params) => access.listTokens(params))
  serveOperation(app, mint, wire.access.revokeToken, ({ tokenId }) => access.revoke({ tokenId }))
}
