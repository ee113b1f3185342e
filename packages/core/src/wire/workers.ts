import { z } from 'zod'
import type { RegisterWorker, WorkerHeartbeat, WorkerOperations, WorkerView } from '../contract/workers.js'
import { bodyOr } from './executions.js'
import type { WireCall, WireOperation } from './operation.js'
import { readReply, readWire } from './read.js'
import { instanceId, kindName, laneName, namespaceName, timeMs, whole, workerId } from './scalars.js'

type Answer<Name extends keyof WorkerOperations> = Awaited<ReturnType<WorkerOperations[Name]>>
type Params<Name extends keyof WorkerOperations> = Parameters<WorkerOperations[Name]>[0]

const tag = 'workers'
const namespacesField = z.array(namespaceName).optional().describe('Default: that of the request.')
const instancePath = z.strictObject({ instanceId })

function readInstance(call: WireCall) {
  return readWire(instancePath, call.path).instanceId
}

const registerBody = z.strictObject({
  namespaces: namespacesField,
  workerId,
  instanceId,
  lanes: z.array(laneName),
  kinds: z.array(kindName),
  capabilities: z.array(z.string()).optional(),
  concurrency: whole(1, 100_000).describe('How many attempts it runs at once.'),
})
const registerSchema = z.object({ outcome: z.literal('registered'), handedBack: z.number() })

export const registerWorker: WireOperation<RegisterWorker, Answer<'register'>> = {
  name: 'workers.register',
  method: 'POST',
  path: '/workers',
  summary: 'Announce a worker instance.',
  tag,
  schemas: { body: registerBody, answer: registerSchema },
  refusals: [],
  writeRequest: (params) => ({ body: params }),
  readRequest: (call) => {
    const { namespaces = [call.namespace], capabilities = [], ...rest } = readWire(registerBody, call.body)
    return { params: { ...rest, namespaces, capabilities } }
  },
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(registerSchema, json),
}

const heartbeatBody = z.strictObject({
  namespaces: namespacesField,
  active: whole(0, 100_000).optional().describe('Attempts that run now.'),
  goodbye: z.boolean().optional().describe('The instance ends: hand back what it holds.'),
})
const heartbeatSchema = z.object({
  outcome: z.enum(['beating', 'unknown_instance', 'gone']),
  draining: z.boolean(),
})

export const heartbeatWorker: WireOperation<WorkerHeartbeat, Answer<'heartbeat'>> = {
  name: 'workers.heartbeat',
  method: 'POST',
  path: '/workers/{instanceId}/heartbeat',
  summary: 'Say that an instance lives, or good-bye.',
  tag,
  schemas: { path: instancePath, body: heartbeatBody, answer: heartbeatSchema },
  refusals: [],
  writeRequest: ({ instanceId: id, ...body }) => ({ path: { instanceId: id }, body }),
  readRequest: (call) => {
    const { namespaces = [call.namespace], active = 0, ...rest } = readWire(heartbeatBody, bodyOr(call))
    return { params: { ...rest, namespaces, active, instanceId: readInstance(call) } }
  },
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(heartbeatSchema, json),
}

const workerSchema: z.ZodType<WorkerView> = z.object({
  workerId,
  instanceId,
  namespaces: z.array(namespaceName),
  lanes: z.array(laneName),
  kinds: z.array(kindName),
  capabilities: z.array(z.string()),
  concurrency: z.number(),
  active: z.number(),
  draining: z.boolean(),
  registeredAtMs: timeMs,
  lastSeenAtMs: timeMs,
})
const listQuery = z.strictObject({ lane: laneName.optional() })
const listSchema = z.object({ outcome: z.literal('listed'), workers: z.array(workerSchema) })

export const listWorkers: WireOperation<Params<'list'>, Answer<'list'>> = {
  name: 'workers.list',
  method: 'GET',
  path: '/workers',
  summary: 'The living worker instances.',
  tag,
  schemas: { query: listQuery, answer: listSchema },
  refusals: [],
  writeRequest: ({ lane }) => ({ query: { lane } }),
  readRequest: (call) => ({ params: { ...readWire(listQuery, call.query), namespace: call.namespace } }),
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(listSchema, json),
}

const drainSchema = z.object({ outcome: z.literal('draining') })

export const drainWorker: WireOperation<Params<'drain'>, Answer<'drain'>> = {
  name: 'workers.drain',
  method: 'POST',
  path: '/workers/{instanceId}/drain',
  summary: 'Ask an instance to claim no more.',
  tag,
  schemas: { path: instancePath, body: z.strictObject({}), answer: drainSchema },
  refusals: [],
  writeRequest: ({ instanceId: id }) => ({ path: { instanceId: id }, body: {} }),
  readRequest: (call) => {
    readWire(z.strictObject({}), bodyOr(call))
    return { params: { namespace: call.namespace, instanceId: readInstance(call) } }
  },
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(drainSchema, json),
}
