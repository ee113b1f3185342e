import { z } from 'zod'
import type {
  BudgetId,
  ClaimId,
  EdgeId,
  ExecutionId,
  FlowId,
  InstanceId,
  OperationId,
  QuotaId,
  ScheduleId,
  SignalId,
  SuspensionId,
  TokenId,
  WaitpointId,
  WebhookId,
} from '../ids/index.js'
import type { Kind, LaneId, Namespace, WorkerId } from '../names.js'
import type { PartitionTag } from '../partitions/index.js'

/**
 * Scalars of the wire. A schema says what is a text and what is a number; what the text of an id or a name, or the
 * size of a number, must be is judged once for all stores by the checks in `validation`, with a code of its own. The
 * bounds here are for readers of the API's description.
 */
function text<Branded extends string>(description: string, example?: string): z.ZodType<Branded> {
  const schema = z.string().meta({ description, ...(example === undefined ? {} : { examples: [example] }) })
  return schema as unknown as z.ZodType<Branded>
}

const UUID_EXAMPLE = '0190a5f0-7a4c-7cc3-98c4-dc0c0c07398f'

export const executionId = text<ExecutionId>(
  'Id of an execution; it carries its partition.',
  `{fp:7}:${UUID_EXAMPLE}`,
)
export const flowId = text<FlowId>('Id of a flow.', UUID_EXAMPLE)
export const edgeId = text<EdgeId>('Id of an edge.')
export const budgetId = text<BudgetId>('Id of a budget.', UUID_EXAMPLE)
export const quotaId = text<QuotaId>('Id of a quota.', UUID_EXAMPLE)
export const scheduleId = text<ScheduleId>('Id of a schedule.', UUID_EXAMPLE)
export const operationId = text<OperationId>('Id of a bulk operation.', UUID_EXAMPLE)
export const webhookId = text<WebhookId>('Id of a webhook.', UUID_EXAMPLE)
export const waitpointId = text<WaitpointId>('Id of a waitpoint; it carries its partition.')
export const suspensionId = text<SuspensionId>('Id of a suspension; it carries its partition.')
export const signalId = text<SignalId>('Id of a signal; it carries its partition.')
export const instanceId = text<InstanceId>('Id of one run of a worker process.', UUID_EXAMPLE)
export const claimId = text<ClaimId>(
  'Names one claim of an instance; a repeat gets the same answer.',
  UUID_EXAMPLE,
)
export const tokenId = text<TokenId>('Id of an API token; not its secret.', UUID_EXAMPLE)
export const namespaceName = text<Namespace>('A namespace.', 'default')
export const laneName = text<LaneId>('A lane.', 'default')
export const kindName = text<Kind>('Which handler runs it.', 'resize@2')
export const workerId = text<WorkerId>('A worker, stable over restarts.', 'worker-1')
export const partitionTag = text<PartitionTag>('A partition.', '{fp:7}')
export const handle = z.string().describe('The handle of a lease, as the claim gave it.')
export const cursor = z.string().describe('Position of a listing: `nextCursor` of the page before.')

/** A whole number, its bounds as documentation. */
export function whole(min: number, max: number, description?: string): z.ZodNumber {
  return z
    .number()
    .meta({ type: 'integer', minimum: min, maximum: max, ...(description ? { description } : {}) })
}

/** A point in time, in ms since the epoch, by the store's clock. */
export const timeMs = z.number().meta({ type: 'integer', description: 'Store time, in ms since the epoch.' })

/** A whole number in a query string. */
export function wholeText(min: number, max: number, description?: string) {
  return z.coerce
    .number()
    .meta({ type: 'integer', minimum: min, maximum: max, ...(description ? { description } : {}) })
}

/** A query parameter that may be given once or several times. */
export function listText<Item extends string>(item: z.ZodType<Item>, description: string) {
  return z
    .union([item, z.array(item)])
    .optional()
    .describe(description)
}

/** What `listText` read, as a list. */
export function asList<Item>(value: Item | readonly Item[] | undefined): readonly Item[] | undefined {
  if (value === undefined) return undefined
  return Array.isArray(value) ? (value as readonly Item[]) : [value as Item]
}
