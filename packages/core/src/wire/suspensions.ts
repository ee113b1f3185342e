import { z } from 'zod'
import {
  type Suspend,
  type SuspendItem,
  type SuspendOutcome,
  suspensionReasons,
  suspensionTimeoutBehaviours,
} from '../contract/suspensions.js'
import { limits } from '../limits.js'
import { conditionSchema, readResumption, resumptionSchema, writeResumption } from './conditions.js'
import { fencingSchemas } from './leases.js'
import type { WireOperation } from './operation.js'
import { handle, suspensionId, timeMs, waitpointId, whole } from './scalars.js'
import { newWaitpointFields } from './waitpoints.js'
import { workerBatch } from './worker-batch.js'

const duration = (description: string) => whole(0, limits.durationMsMax, description)

const suspendOutcomeSchema = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('suspended'), suspensionId, timesOutAtMs: timeMs.nullable() }),
  z.object({ outcome: z.literal('already_satisfied'), resumption: resumptionSchema }),
  z.object({ outcome: z.literal('cancelled') }),
  z.object({ outcome: z.literal('waitpoint_conflict'), waitpointId }),
  ...fencingSchemas,
])

const suspendBatch = workerBatch({
  name: 'suspensions.suspend',
  path: '/leases/suspend',
  summary: 'Release leases and wait for a condition; the same attempts go on when it holds.',
  tag: 'leases',
  item: z.strictObject({
    handle,
    suspensionId,
    reason: z.enum(suspensionReasons),
    condition: conditionSchema,
    waitpoints: z.array(z.strictObject({ waitpointId, ...newWaitpointFields })).optional(),
    timeout: z
      .strictObject({
        afterMs: duration('From the suspension on.'),
        behaviour: z.enum(suspensionTimeoutBehaviours),
      })
      .optional(),
    resumePolicy: z
      .strictObject({
        delayMs: duration('How long to wait after the condition held.').optional(),
        closeWaitpoints: z.boolean().optional().describe('Default true.'),
      })
      .optional(),
  }),
  outcome: suspendOutcomeSchema,
  readItem: (wire): SuspendItem => wire,
  writeItem: (item: SuspendItem) => item,
})

export const suspend: WireOperation<Suspend, { readonly items: readonly SuspendOutcome[] }> = {
  ...suspendBatch,
  status: undefined,
  writeAnswer: ({ items }) =>
    suspendBatch.writeAnswer({
      items: items.map((item) =>
        item.outcome === 'already_satisfied'
          ? { ...item, resumption: writeResumption(item.resumption) }
          : item,
      ),
    }),
  readAnswer: (json) => ({
    items: suspendBatch
      .readAnswer(json)
      .items.map(
        (item): SuspendOutcome =>
          item.outcome === 'already_satisfied'
            ? { ...item, resumption: readResumption(item.resumption) }
            : item,
      ),
  }),
}
