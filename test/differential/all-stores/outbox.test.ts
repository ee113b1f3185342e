import { compareAllStores } from './compare.js'

/** Nothing is resolved inline, so that all must also agree on what is still pending. */
compareAllStores({ name: 'inlineResolveEdges 0', inlineResolveEdges: 0, settling: 'by_drives' })
