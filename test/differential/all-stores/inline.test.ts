import { compareAllStores } from './compare.js'

/** What ends resolves its edges itself; compared once what is left has been carried out. */
compareAllStores({ name: 'inlineResolveEdges default', inlineResolveEdges: undefined, settling: 'each_step' })
