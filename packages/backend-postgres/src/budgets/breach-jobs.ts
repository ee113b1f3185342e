import {
  firstProgressText,
  makePartitionTag,
  mintOperationId,
  type OperationId,
  quotaPartition,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'

/** What a step that may record a breach is given, for the job that it then leaves. */
export interface JobDraft {
  readonly operationId: OperationId
  /** Of each namespace whose budget it may be. */
  readonly homes: readonly number[]
  readonly progress: string
}

export async function draftJob(ctx: PostgresContext, namespaces: readonly string[]): Promise<JobDraft> {
  const operationId = mintOperationId()
  const { quota } = await ctx.partitions()
  const homes = namespaces.map((namespace) => quotaPartition(namespace, operationId, quota))
  return { operationId, homes, progress: firstProgressText }
}

/** Whoever carries jobs out hears of it; `atMs` is null where none was left. */
export function announceJob({ hints }: PostgresContext, home: number | undefined, atMs: number | null): void {
  if (home === undefined || atMs === null) return
  hints.emit({ type: 'due', partition: makePartitionTag('quota', home), dueAtMs: atMs })
}
