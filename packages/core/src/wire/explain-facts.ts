import { z } from 'zod'
import type { ExplainFacts } from '../contract/executions.js'
import { flowStates, type GroupView } from '../contract/flows.js'
import type { Join, JoinPolicy } from '../policies/join.js'
import { runOns } from '../policies/join.js'
import { suspensionSchema } from './conditions.js'
import { demandFactsFields, parkedBySchema } from './demands.js'
import { attemptSchema, executionSchema, laneStateSchema, publicStateSchema } from './records.js'
import { executionId, flowId, instanceId, kindName, timeMs } from './scalars.js'

const onDecided = z.enum(['cancel_remaining', 'let_run'])

const policySchema: z.ZodType<JoinPolicy> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('all_of'), onImpossible: onDecided }),
  z.object({ kind: z.literal('any_of'), onSatisfied: onDecided }),
  z.object({ kind: z.literal('quorum'), k: z.number(), onSatisfied: onDecided }),
])

const joinSchema: z.ZodType<Join> = z.object({
  policy: policySchema,
  runOn: z.enum(runOns),
  settled: z.boolean(),
  cancelShared: z.boolean(),
  ancestors: z.enum(['cancel', 'let_run']),
})

export const groupSchema: z.ZodType<GroupView> = z.object({
  join: joinSchema.nullable().describe('Null when this version does not know the stored policy.'),
  counters: z.object({ n: z.number(), succeeded: z.number(), failed: z.number(), skipped: z.number() }),
  state: z.enum(['pending', 'satisfied', 'impossible']),
  released: z.boolean(),
  cancelReason: z.enum(['sibling_quorum_satisfied', 'sibling_quorum_impossible']).nullable(),
  cancelPending: z.boolean(),
})

export const explainFactsSchema: z.ZodType<ExplainFacts> = z.object({
  outcome: z.literal('facts'),
  execution: executionSchema,
  nowMs: z.number(),
  lane: z.object({ state: laneStateSchema, concurrency: z.number().nullable(), active: z.number() }),
  workers: z.array(
    z.object({
      instanceId,
      kinds: z.array(kindName),
      capabilities: z.array(z.string()),
      draining: z.boolean(),
    }),
  ),
  ahead: z.number(),
  flow: z.object({ id: flowId, state: z.enum(flowStates), finalisers: z.boolean().optional() }).nullable(),
  group: z
    .object({
      view: groupSchema,
      join: joinSchema.nullable(),
      storedPolicy: z.string(),
      pendingUpstreams: z.array(
        z.object({ id: executionId, name: z.string().nullable(), publicState: publicStateSchema }),
      ),
    })
    .nullable(),
  lastAttempt: attemptSchema.nullable(),
  suspension: suspensionSchema.nullable(),
  demands: z
    .object({
      ...demandFactsFields,
      parked: z.object({ head: executionId, by: parkedBySchema, sinceMs: timeMs }).nullable(),
    })
    .nullable(),
})
