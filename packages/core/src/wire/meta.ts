import { z } from 'zod'
import type { StoreDescription } from '../contract/maintenance.js'
import type { WireOperation } from './operation.js'
import { readReply } from './read.js'

const descriptionSchema: z.ZodType<StoreDescription> = z.object({
  kind: z.enum(['valkey', 'postgres']),
  store: z.string(),
  layoutVersion: z.number(),
  partitions: z.object({ flow: z.number(), budget: z.number(), quota: z.number() }),
  virtualTime: z.boolean(),
  durability: z.string(),
  limits: z.record(z.string(), z.number()),
  counts: z.object({
    executions: z.number(),
    flows: z.number(),
    outbox: z.number(),
    events: z.number(),
  }),
})

/** What a client needs before its first submit: the partition counts, for the ids that it mints. */
export const describeStore: WireOperation<undefined, StoreDescription> = {
  name: 'maintenance.describe',
  method: 'GET',
  path: '/meta',
  summary: 'The store, its partition counts and limits.',
  tag: 'meta',
  schemas: { answer: descriptionSchema },
  refusals: [],
  writeRequest: () => ({}),
  readRequest: () => ({ params: undefined }),
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(descriptionSchema, json),
}
