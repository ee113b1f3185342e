import { z } from 'zod'
import type { KeyringOperations, RetireSigningKey, SigningKey } from '../contract/keyring.js'
import { limits } from '../limits.js'
import { parseSigningKeyId } from '../signing/signing-key-id.js'
import { reasonField } from './executions.js'
import type { WireCall, WireOperation } from './operation.js'
import { readReply, readWire } from './read.js'
import { timeMs, whole } from './scalars.js'

type Answer<Name extends keyof KeyringOperations> = Awaited<ReturnType<KeyringOperations[Name]>>

const tag = 'admin'
const keyId = z.string().describe('Id of a signing key, as it stands in tokens.')
const keyPath = z.strictObject({ keyId })
/** Judged here already: what is no id may be a secret, which is to be recorded nowhere. */
function readKeyId(call: WireCall): string {
  return parseSigningKeyId(readWire(keyPath, call.path).keyId)
}

const time = (description: string) => whole(0, limits.timeMsMax, description)

const keySchema: z.ZodType<SigningKey> = z.object({
  keyId,
  fingerprint: z.string(),
  signsFromMs: timeMs,
  retiredAtMs: timeMs.nullable(),
  verifiesUntilMs: timeMs.nullable(),
})
const listSchema = z.object({ outcome: z.literal('listed'), keys: z.array(keySchema) })

export const listSigningKeys: WireOperation<undefined, Answer<'list'>> = {
  name: 'keyring.list',
  method: 'GET',
  path: '/admin/keyring',
  summary: 'All signing keys that ever were, without their secrets.',
  tag,
  schemas: { answer: listSchema },
  refusals: [],
  writeRequest: () => ({}),
  readRequest: () => ({ params: undefined }),
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(listSchema, json),
}

/** As the contract's `add`, but that a server fills the fingerprint in from the secret that it has. */
export interface AddConfiguredKey {
  readonly keyId: string
  readonly fingerprint?: string | undefined
  readonly signsFromMs?: number | undefined
  readonly reason?: string | undefined
}

const addBody = z.strictObject({
  keyId,
  fingerprint: z.string().optional().describe('Default: that of the secret that the server has.'),
  signsFromMs: time('When it begins to sign; default: now.').optional(),
  reason: reasonField,
})
const addSchema = z.object({ outcome: z.enum(['added', 'duplicate']), key: keySchema })

export const addSigningKey: WireOperation<AddConfiguredKey, Answer<'add'>> = {
  name: 'keyring.add',
  method: 'POST',
  path: '/admin/keyring',
  summary: 'Record a signing key whose secret the servers have; its id is used once for ever.',
  tag,
  schemas: { body: addBody, answer: addSchema },
  status: ({ outcome }) => (outcome === 'added' ? 201 : 200),
  refusals: [],
  writeRequest: (params) => ({ body: params }),
  readRequest: (call) => {
    const params = readWire(addBody, call.body)
    return { params: { ...params, keyId: parseSigningKeyId(params.keyId) } }
  },
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(addSchema, json),
}

const retireBody = z.strictObject({
  verifyUntilMs: time('Until when what it signed still counts.'),
  reason: reasonField,
})
const retireSchema = z.object({ outcome: z.literal('retired'), key: keySchema })

export const retireSigningKey: WireOperation<
  RetireSigningKey & { readonly reason?: string | undefined },
  Answer<'retire'>
> = {
  name: 'keyring.retire',
  method: 'POST',
  path: '/admin/keyring/{keyId}/retire',
  summary: 'Sign nothing new with a key, for ever, and verify with it until a time.',
  tag,
  schemas: { path: keyPath, body: retireBody, answer: retireSchema },
  refusals: [],
  writeRequest: ({ keyId: id, ...body }) => ({ path: { keyId: id }, body }),
  readRequest: (call) => ({
    params: { keyId: readKeyId(call), ...readWire(retireBody, call.body) },
  }),
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(retireSchema, json),
}
