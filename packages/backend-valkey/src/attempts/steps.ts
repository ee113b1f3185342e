import {
  checkAttemptPage,
  checkRecordSteps,
  type LoadSteps,
  must,
  type Page,
  partitionIndexOf,
  type RecordStepOutcome,
  type RecordSteps,
  type StepRecord,
  type StepType,
  uuidOf,
} from '@flowfabric/core'
import { bytesAt } from '../channel/handed-out.js'
import type { ValkeyContext } from '../context.js'
import { executionNotFound } from '../executions/get.js'
import type { LibraryFunctions } from '../generated/functions.js'
import { readRefusal } from '../leases/refusal.js'
import { type Placed, writeEach } from '../leases/write-each.js'
import { asList } from '../library/as-list.js'
import { orNotFound } from '../library/not-found.js'
import { readStep } from '../records/stored-step.js'
import { readPage } from './position-page.js'

type Item = LibraryFunctions['attempts_record_step']['args'][1][number]

/** Appends to journals. */
export async function recordSteps(
  ctx: ValkeyContext,
  params: RecordSteps,
): Promise<{ readonly items: readonly RecordStepOutcome[] }> {
  const itemOf = (index: number) => must(params.items[index], 'an item')
  const send = async (tag: string, placed: readonly Placed[]): Promise<readonly RecordStepOutcome[]> => {
    const results: Uint8Array[] = []
    const { reply, bytes } = await ctx.invoke({
      name: 'attempts_record_step',
      tag,
      args: [
        [...params.namespaces],
        placed.map(({ handle, index }): Item => {
          const { name, type, result } = itemOf(index)
          return [...handle, name, type, result === null ? 0 : results.push(result)]
        }),
      ],
      bytes: results,
    })
    return asList(reply).map((answer, place) => {
      const { handle, index } = must(placed[place], 'the item of an answer')
      return toOutcome(answer, bytes, { ...itemOf(index), attemptIndex: handle[1] })
    })
  }
  const items = await writeEach(
    ctx,
    checkRecordSteps(params),
    send,
    (index) => itemOf(index).result?.byteLength ?? 0,
  )
  return { items }
}

function toOutcome(
  answer: readonly unknown[],
  bytes: readonly Uint8Array[],
  { name, type, result, attemptIndex }: Omit<StepRecord, 'recordedAtMs'>,
): RecordStepOutcome {
  const [outcome, detail] = answer
  switch (outcome) {
    case 'recorded':
      return { outcome, step: { name, type, result, attemptIndex, recordedAtMs: Number(detail) } }
    case 'already_recorded':
      return { outcome, step: readStep(must(bytesAt(bytes, detail), 'the entry that was recorded')) }
    case 'journal_mismatch':
      return { outcome, recordedType: detail as StepType }
    case 'journal_full':
      return { outcome }
    default:
      return readRefusal(answer)
  }
}

/** The journal in the order of recording. */
export async function loadSteps(ctx: ValkeyContext, params: LoadSteps): Promise<Page<StepRecord>> {
  checkAttemptPage(params, await ctx.partitions())
  const { executionId, namespace } = params
  return readPage(params, async (from, limit) => {
    const { reply, bytes } = await orNotFound(
      ctx.invoke({
        name: 'attempts_load_steps',
        tag: `fp:${partitionIndexOf(executionId)}`,
        args: [namespace, uuidOf(executionId), from, limit],
      }),
      () => executionNotFound(executionId),
    )
    return { items: bytes.map(readStep), total: reply[0] }
  })
}
