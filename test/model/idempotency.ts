import { limits, type Namespace } from '@flowfabric/core'
import type { Model } from './store.js'

/** What is submitted under a key. */
export interface KeyedContent {
  readonly target: string
  readonly kind: string
  readonly content: string
}

/** The id that the key stands for: the recorded one, or `conflict` when it was recorded for other content. */
export function lookUpKey(
  model: Model,
  namespace: Namespace,
  key: string | undefined,
  content: KeyedContent,
): { readonly target: string } | 'conflict' {
  if (key === undefined) return content
  const record = model.idempotencyKeys.get(keyOf(namespace, key))
  if (record === undefined || record.expiresAtMs <= model.clock.nowMs()) return content
  return record.kind === content.kind && record.content === content.content ? record : 'conflict'
}

/** Records a key with the submission that was accepted, or known, under it. A live record stands. */
export function recordKey(
  model: Model,
  namespace: Namespace,
  params: { readonly idempotencyKey?: string | undefined; readonly idempotencyTtlMs?: number | undefined },
  content: KeyedContent,
): void {
  if (params.idempotencyKey === undefined) return
  const key = keyOf(namespace, params.idempotencyKey)
  const nowMs = model.clock.nowMs()
  const record = model.idempotencyKeys.get(key)
  if (record !== undefined && record.expiresAtMs > nowMs) return
  const ttlMs = params.idempotencyTtlMs ?? limits.idempotencyTtlMs
  model.idempotencyKeys.set(key, { ...content, expiresAtMs: nowMs + ttlMs })
}

export function forgetKey(model: Model, namespace: Namespace, key: string | undefined): void {
  if (key !== undefined) model.idempotencyKeys.delete(keyOf(namespace, key))
}

const keyOf = (namespace: Namespace, key: string) => `${namespace}/${key}`
