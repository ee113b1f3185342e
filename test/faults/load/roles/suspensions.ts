/** Handlers that wait for signals: early ones, repeated ones, ones by a token, too few of them, and none before a timeout. */
import {
  type ExecutionId,
  isEngineError,
  mintUuid,
  parseKind,
  partitionTagOf,
  type SignalId,
  type SuspensionTimeoutBehaviour,
} from '@flowfabric/core'
import { defineTask, type ExecutionHandle, type, type WaitCondition } from '@flowfabric/sdk'
import { allSignals, allSteps } from '../../../support/listing.js'
import { groupById, type Ledger, nowMs } from '../ledger.js'
import { namespace } from '../names.js'
import { detailOf, type Judgement, type RoleFactory, type Stage } from '../role.js'
import { lane, retry } from '../tasks.js'

declare module '../ledger.js' {
  interface Facts {
    readonly signal: Answered & {
      readonly id: ExecutionId
      readonly signalId: SignalId
      readonly key: string
    }
    /** What a run was told when it went on. */
    readonly resumed: Answered & Resumed & { readonly id: ExecutionId }
    /** A step that a run was told is recorded. */
    readonly step: Answered & { readonly id: ExecutionId; readonly name: string; readonly value: string }
  }
}

interface Resumed {
  readonly by: string
  readonly signals: readonly string[]
}

const kind = 'asks'

const conditions = {
  one: 'gate',
  two: { count: 2, of: 'signals', on: 'gate' },
  both: { allOf: ['gate', 'other'] },
  either: { anyOf: ['gate', { allOf: ['other', 'third'] }] },
  matching: { signal: 'gate', match: { name: 'yes' } },
} as const satisfies Record<string, WaitCondition>
type Form = keyof typeof conditions
const forms = Object.keys(conditions) as readonly Form[]

/** What makes each of them hold, signal by signal. */
const enough: Readonly<Record<Form, readonly string[]>> = {
  one: ['gate'],
  two: ['gate', 'gate'],
  both: ['gate', 'other'],
  either: ['gate'],
  matching: ['gate'],
}

const behaviours: readonly SuspensionTimeoutBehaviour[] = [
  'auto_resume',
  'auto_resume_with_timeout_signal',
  'fail',
  'cancel',
  'expire',
]

interface Question {
  readonly form: Form
  readonly timeout?: { readonly afterMs: number; readonly behaviour: SuspensionTimeoutBehaviour }
  /** Names its waitpoint ahead. */
  readonly ahead: boolean
}

/** What was suspended for so long has been forgotten by its load, which may have died since. */
const forgottenMs = 1_500

export const suspensions: RoleFactory = ({ ledger, result }) => {
  const asks = defineTask({
    kind,
    lane,
    retry,
    input: type<Question>(),
    output: type<string>(),
    async handler(context) {
      const { id } = context.execution
      const { form, timeout, ahead } = context.input
      const beganAtMs = nowMs()
      const value = await context.step('before', () => mintUuid())
      ledger.note('step', { id, name: 'before', value, beganAtMs, atMs: nowMs() })
      if (ahead) await context.waitpoint('gate')
      const { by, signals } = await context.suspend(
        conditions[form],
        timeout === undefined ? {} : { timeout },
      )
      const resumed = { by, signals: signals.map((signal) => signal.id).sort() }
      ledger.note('resumed', { id, ...resumed, beganAtMs, atMs: nowMs() })
      return result(context, resumed)
    },
  })

  const signal = async (
    { client }: Stage,
    handle: ExecutionHandle,
    waitpoint: string,
    { key = mintUuid(), name = 'yes', byToken = false } = {},
  ) => {
    const beganAtMs = nowMs()
    const point = await handle.waitpoint(waitpoint).catch(unlessEnded)
    if (point === undefined) return
    const options = { idempotencyKey: key }
    const answer =
      byToken && point.token !== null
        ? await client.signalByToken({ waitpointId: point.id, token: point.token }, name, null, options)
        : await handle.signal(waitpoint, name, null, options)
    if ('signalId' in answer) {
      ledger.note('signal', { id: handle.id, signalId: answer.signalId, key, beganAtMs, atMs: nowMs() })
    }
  }

  return {
    name: 'suspensions',
    weight: 10,
    tasks: [asks],
    async act(stage) {
      const { client, below } = stage
      const form = forms[below(forms.length)] ?? 'one'
      const isAnswered = below(3) > 0
      const behaviour = behaviours[below(behaviours.length)] ?? 'fail'
      const timeout = isAnswered ? {} : { timeout: { afterMs: 100 + below(300), behaviour } }
      const beganAtMs = nowMs()
      const handle = await client.submit(asks, { form, ahead: below(2) === 0, ...timeout })
      ledger.note('execution', { id: handle.id, beganAtMs, atMs: nowMs() })
      if (!isAnswered) return
      // Now and then before it waits, and now and then long after.
      if (below(2) === 0) await new Promise((resolve) => setTimeout(resolve, below(300)))
      if (form === 'matching') await signal(stage, handle, 'gate', { name: 'no' })
      for (const waitpoint of enough[form]) {
        const key = mintUuid()
        const byToken = below(3) === 0
        await signal(stage, handle, waitpoint, { key, byToken })
        if (below(3) === 0) await signal(stage, handle, waitpoint, { key, byToken })
      }
    },
    async attend(stage) {
      for (const { id, createdAtMs } of await listSuspended(stage)) {
        if (nowMs() - createdAtMs < forgottenMs) continue
        const handle = stage.client.handle(id)
        for (const waitpoint of ['gate', 'other', 'gate']) {
          await signal(stage, handle, waitpoint).catch((error: unknown) => ledger.refused(error, id))
        }
      }
    },
    judge: (judgement) => judgeSignals(judgement, ledger),
  }
}

function unlessEnded(error: unknown): undefined {
  if (!isEngineError(error, 'execution_terminal')) throw error
}

async function listSuspended({ backend }: Stage) {
  const filter = { kind: parseKind(kind), states: ['suspended' as const] }
  return (await backend.executions.list({ namespace, filter, limit: 100 })).items
}

async function judgeSignals(
  { backend, stored, ofKind, resultOf, wrong, lost }: Judgement,
  ledger: Ledger,
): Promise<void> {
  const told = groupById(ledger.all('signal'))
  const resumptions = groupById(ledger.all('resumed'))
  for (const execution of ofKind(kind)) {
    const { id } = execution
    const kept = await allSignals(backend.suspensions, namespace, id)
    const ids = new Set(kept.map((each) => each.id))
    if (ids.size < kept.length) wrong(`${id}: a signal is kept twice`)
    for (const each of told.get(id) ?? []) {
      if (!ids.has(each.signalId))
        lost('signals', partitionTagOf(id), each, `${id}: the signal ${each.signalId} is lost`)
    }
    const detail = detailOf<Resumed>(resultOf(id))
    const resumed = resumptions.get(id)?.find(({ signals }) => signals.join() === detail?.signals.join())
    for (const used of detail?.signals ?? []) {
      // A timeout's own signal is nobody's.
      if (ids.has(used as SignalId) || detail?.by !== 'condition') continue
      const text = `${id}: it went on by the signal ${used}, which is not kept`
      // A lease that was kept outlives what its run was told and was lost after it.
      if (resumed === undefined) wrong(text)
      else lost('signals', partitionTagOf(id), resumed, text)
    }
  }
  for (const [id, each] of groupById(ledger.all('signal'))) {
    const byKey = new Map<string, SignalId>()
    for (const { key, signalId, ...when } of each) {
      const first = byKey.get(key) ?? signalId
      byKey.set(key, first)
      if (first !== signalId)
        lost('signal keys', partitionTagOf(id), when, `${id}: one key brought two signals`)
    }
  }
  for (const [id, runs] of resumptions) {
    const [first] = runs
    for (const { by, signals, ...when } of runs) {
      const isSame = by === first?.by && signals.join() === first.signals.join()
      if (!isSame)
        lost(
          'resumptions',
          partitionTagOf(id),
          first ?? when,
          `${id}: runs were told differently why they go on`,
        )
    }
  }
  for (const [id, runs] of groupById(ledger.all('step'))) {
    const [first] = runs
    if (first === undefined) continue
    const steps = stored.has(id) ? await allSteps(backend, namespace, id) : []
    const step = steps.find(({ name }) => name === first.name)
    const recorded =
      step?.result == null ? undefined : String(JSON.parse(Buffer.from(step.result).toString()))
    const last = runs.at(-1)?.value
    if (runs.some(({ value }) => value !== first.value) || (stored.has(id) && recorded !== last))
      lost(
        'steps',
        partitionTagOf(id),
        first,
        `${id}: a recorded step is ${recorded}, and was ${JSON.stringify(runs)}`,
      )
  }
}
