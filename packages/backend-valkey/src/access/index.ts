import { type AccessOperations, checkPutAccess } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { getNamespace, listNamespaces, putNamespace } from './namespaces.js'
import { listTokens, putToken, revokeToken, verifyToken } from './tokens.js'

/** API tokens, and namespaces that were put, in the home partition. */
export function createAccess(ctx: ValkeyContext): AccessOperations {
  return {
    async put(params) {
      checkPutAccess(params)
      const outcome =
        params.kind === 'token'
          ? await putToken(ctx, params.token, params.hash)
          : await putNamespace(ctx, params.namespace)
      return { outcome }
    },
    listTokens: (params) => listTokens(ctx, params),
    listNamespaces: (params) => listNamespaces(ctx, params),
    getNamespace: (params) => getNamespace(ctx, params),
    revoke: (params) => revokeToken(ctx, params),
    verify: (params) => verifyToken(ctx, params),
  }
}
