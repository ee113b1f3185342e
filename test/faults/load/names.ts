import { parseNamespace } from '@flowfabric/core'

export const namespace = parseNamespace('chaos')
