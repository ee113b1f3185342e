import { z } from 'zod'
import type { FlowNode } from '../contract/flows.js'
import type { ScheduledWork, ScheduleTiming } from '../contract/schedules.js'
import { limits } from '../limits.js'
import { joinSchema } from './flow-graph.js'
import { whole } from './scalars.js'
import { readSpec, specFields, tagsSchema, type writeSpec } from './specs.js'

/** Ids follow from the tick, and a start that is fixed for once means nothing here. */
const { id: _id, startAtMs: _startAtMs, ...scheduledFields } = specFields

const executionSchema = z.strictObject({
  kind: z.literal('execution'),
  spec: z.strictObject(scheduledFields),
})

const flowSchema = z.strictObject({
  kind: z.literal('flow'),
  name: z.string().optional(),
  deadlineMs: whole(1, limits.durationMsMax, 'From the release of the roots.').optional(),
  tags: tagsSchema.optional(),
  nodes: z.array(
    z.strictObject({ ...scheduledFields, name: z.string().describe('Unique.'), join: joinSchema.optional() }),
  ),
  edges: z
    .array(
      z.strictObject({
        from: z.string().describe('The upstream, by name.'),
        to: z.string().describe('The downstream, by name.'),
        as: z.string().optional().describe('The name under which the downstream receives the result.'),
      }),
    )
    .optional(),
})

/** What a tick starts, as it crosses HTTP. */
export const workSchema = z.discriminatedUnion('kind', [executionSchema, flowSchema])
export type WireWork = z.infer<typeof workSchema>

export const timingSchema: z.ZodType<ScheduleTiming> = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('cron'),
    expression: z.string().describe('Five fields, six with seconds first, or seven with a year last.'),
    timeZone: z.string().describe('A zone of the IANA base, such as `Europe/Berlin`.'),
  }),
  z.strictObject({
    kind: z.literal('interval'),
    everyMs: whole(limits.scheduleIntervalMsMin, limits.durationMsMax, 'From tick to tick.'),
    offsetMs: whole(0, limits.durationMsMax, 'By how much ticks lie behind full intervals.').optional(),
  }),
])

export function readWork(wire: WireWork): ScheduledWork {
  if (wire.kind === 'execution') return { kind: 'execution', spec: readSpec(wire.spec) }
  const { nodes, edges = [], ...rest } = wire
  return {
    ...rest,
    nodes: nodes.map(({ name, join, ...spec }) => ({
      ...readSpec(spec),
      name,
      // What a policy's fields must be is `checkGraph`'s to say.
      ...(join && { join: join as FlowNode['join'] }),
    })),
    edges,
  }
}

export function writeWork(work: ScheduledWork, write: typeof writeSpec): WireWork {
  if (work.kind === 'execution') return { kind: 'execution', spec: write(work.spec) as never }
  const { nodes, edges, ...rest } = work
  return {
    ...rest,
    nodes: nodes.map((node) => write(node) as never),
    edges: edges.map((edge) => ({ ...edge })),
  }
}
