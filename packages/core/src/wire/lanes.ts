import { z } from 'zod'
import type { Scoped } from '../contract/conventions.js'
import {
  type ConfigureLane,
  eventLevels,
  type Lane,
  type LaneState,
  type LaneView,
  laneStates,
  type SetLaneState,
} from '../contract/lanes.js'
import { limits } from '../limits.js'
import { type PublicState, publicStates } from '../state/public-state.js'
import { reasonField } from './executions.js'
import type { WireOperation } from './operation.js'
import { readReply, readWire } from './read.js'
import { laneName, namespaceName, timeMs, whole } from './scalars.js'

const tag = 'lanes'
const lanePath = z.strictObject({ lane: laneName })

const settingsBody = z.strictObject({
  shards: whole(1, 65_535, 'Over how many partitions new solo executions spread.').optional(),
  concurrency: whole(1, 1_000_000, 'Most active executions at once; null is no bound.').nullable().optional(),
  ageingMs: whole(1, limits.durationMsMax, 'One priority step per this many ms waited; null is none.')
    .nullable()
    .optional(),
  weight: whole(1, limits.laneWeightMax, 'Share among the lanes of a claim.').optional(),
  retentionMs: whole(0, limits.durationMsMax, 'How long terminal executions are kept.').optional(),
  eventLevel: z.enum(eventLevels).optional().describe('Which transitions of solo executions the feed shows.'),
})

const laneFields = {
  namespace: namespaceName,
  lane: laneName,
  state: z.enum(laneStates),
  version: z.number(),
  shards: z.number(),
  concurrency: z.number().nullable(),
  ageingMs: z.number().nullable(),
  weight: z.number(),
  retentionMs: z.number(),
  eventLevel: z.enum(eventLevels),
} as const
const laneSchema: z.ZodType<Lane> = z.object(laneFields)
const configureSchema = z.object({ outcome: z.literal('configured'), lane: laneSchema })

export const configureLane: WireOperation<
  ConfigureLane,
  { readonly outcome: 'configured'; readonly lane: Lane }
> = {
  name: 'lanes.configure',
  method: 'PUT',
  path: '/lanes/{lane}',
  summary: 'Change settings of a lane; what is absent stays.',
  tag,
  schemas: { path: lanePath, body: settingsBody, answer: configureSchema },
  refusals: [],
  writeRequest: ({ lane, settings }) => ({ path: { lane }, body: settings }),
  readRequest: (call) => ({
    params: {
      namespace: call.namespace,
      lane: readWire(lanePath, call.path).lane,
      settings: readWire(settingsBody, call.body),
    },
  }),
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(configureSchema, json),
}

const viewSchema: z.ZodType<LaneView> = z.object({
  ...laneFields,
  depth: z.object(
    Object.fromEntries(publicStates.map((state) => [state, z.number()])) as Record<PublicState, z.ZodNumber>,
  ),
  oldestReadyAtMs: timeMs.nullable(),
})
const listSchema = z.object({ outcome: z.literal('listed'), lanes: z.array(viewSchema) })

export const listLanes: WireOperation<
  Scoped,
  { readonly outcome: 'listed'; readonly lanes: readonly LaneView[] }
> = {
  name: 'lanes.list',
  method: 'GET',
  path: '/lanes',
  summary: 'All lanes with their depth by state.',
  tag,
  schemas: { answer: listSchema },
  refusals: [],
  writeRequest: () => ({}),
  readRequest: (call) => ({ params: { namespace: call.namespace } }),
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(listSchema, json),
}

const stateBody = z.strictObject({ state: z.enum(laneStates), reason: reasonField })
const stateSchema = z.object({ outcome: z.literal('set'), previous: z.enum(laneStates) })

export const setLaneState: WireOperation<
  SetLaneState,
  { readonly outcome: 'set'; readonly previous: LaneState }
> = {
  name: 'lanes.setState',
  method: 'POST',
  path: '/lanes/{lane}/state',
  summary: 'Pause, drain, disable or activate a lane.',
  tag,
  schemas: { path: lanePath, body: stateBody, answer: stateSchema },
  refusals: [],
  writeRequest: ({ lane, state, reason }) => ({ path: { lane }, body: { state, reason } }),
  readRequest: (call) => ({
    params: {
      ...readWire(stateBody, call.body),
      namespace: call.namespace,
      lane: readWire(lanePath, call.path).lane,
    },
  }),
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(stateSchema, json),
}
