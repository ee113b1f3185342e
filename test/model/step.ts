import { resolveInline } from './resolution.js'
import type { Model } from './store.js'

/**
 * One atomic step of the store: what it ends resolves its outgoing edges in the same step, up to the bound; what is left
 * stays in the outbox.
 */
export function step<Answer>(model: Model, work: () => Answer): Answer {
  model.fresh = []
  const answer = work()
  resolveInline(model)
  return answer
}
