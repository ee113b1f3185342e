import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import {
  type EventOperations,
  engineError,
  makeExecutionId,
  mintExecutionIdInFlow,
  mintFlowId,
  mintSoloExecutionId,
  mintUuid,
  parseKind,
  parseLaneId,
  partitionOfFlow,
} from '@flowfabric/core'
import { wire } from '@flowfabric/core/wire'
import type { Command } from 'commander'
import { type ClientFlags, withClientOptions, withConnection } from '../connect.js'
import { formatJson, formatPayload } from '../format.js'
import { CommandError, exitCodes, type Terminal } from '../terminal.js'

interface SubmitFlags extends ClientFlags {
  readonly lane: string
  readonly input?: string
  readonly priority?: string
  readonly delay?: string
  readonly key?: string
  readonly wait?: boolean
}

/** `submit` and `flow submit`. Ids are minted here, once, so that a lost answer can be asked for again. */
export function addSubmitting(program: Command, flow: Command, terminal: Terminal): void {
  withClientOptions(program.command('submit <kind>').description('submit one execution'))
    .option('--input <json>', 'its input, as JSON')
    .option('--lane <lane>', 'its lane', 'default')
    .option('--priority <n>', '0…9000, higher first')
    .option('--delay <ms>', 'not before this many ms from now')
    .option('--key <key>', 'idempotency key')
    .option('--wait', 'wait for the end and print the result')
    .action((kind: string, flags: SubmitFlags) => submit(terminal, kind, flags))

  withClientOptions(
    flow
      .command('submit <file>')
      .description('submit a flow: a JSON file with nodes and edges, as POST /v1/flows'),
  ).action((file: string, flags: ClientFlags) =>
    withConnection(terminal, flags, async ({ backend, namespace }) => {
      const { flow: count } = (await backend.maintenance.describe()).partitions
      const { params } = wire.flows.submit.readRequest({
        namespace,
        path: {},
        query: {},
        body: await readJsonFile(resolve(terminal.cwd, file)),
        mint: {
          soloId: (of, lane) => mintSoloExecutionId({ namespace: of, lane, shards: 1, count }),
          flowId: mintFlowId,
          keyedFlowId: mintFlowId,
          memberId: (flowId, name) =>
            name === undefined
              ? mintExecutionIdInFlow(flowId, count)
              : makeExecutionId(partitionOfFlow(flowId, count), mintUuid()),
        },
      })
      const answer = await backend.flows.submit(params)
      terminal.out(flags.json ? formatJson(answer) : `${answer.outcome} ${params.flowId}`)
      refuseUnless(answer.outcome === 'accepted' || answer.outcome === 'duplicate', answer.outcome)
    }),
  )
}

async function submit(terminal: Terminal, kind: string, flags: SubmitFlags): Promise<void> {
  await withConnection(terminal, flags, async ({ backend, namespace }) => {
    const { flow: count } = (await backend.maintenance.describe()).partitions
    const lane = parseLaneId(flags.lane)
    const id = mintSoloExecutionId({ namespace, lane, shards: 1, count })
    const { items } = await backend.executions.submit({
      namespace,
      items: [
        {
          id,
          kind: parseKind(kind),
          lane,
          input:
            flags.input === undefined
              ? null
              : new TextEncoder().encode(JSON.stringify(parseJson(flags.input, '--input'))),
          priority: flags.priority === undefined ? undefined : Number(flags.priority),
          delayMs: flags.delay === undefined ? undefined : Number(flags.delay),
          idempotencyKey: flags.key,
        },
      ],
    })
    const [answer] = items
    if (answer?.outcome === 'error') throw answer.error
    if (answer?.outcome !== 'accepted' && answer?.outcome !== 'duplicate') {
      throw new CommandError(`Refused: ${answer?.outcome}`, exitCodes.refused)
    }
    if (!flags.wait) return terminal.out(flags.json ? formatJson(answer) : `${answer.outcome} ${answer.id}`)
    while (!terminal.signal.aborted) {
      const [result] = (await backend.executions.getResult({ namespace, ids: [answer.id] })).items
      if (result?.outcome === 'error') throw result.error
      if (result !== undefined && result.outcome !== 'pending') {
        if (flags.json) terminal.out(formatJson(result))
        else
          terminal.out(
            result.outcome === 'success'
              ? formatPayload(result.result)
              : `${result.outcome}: ${result.failure?.message ?? ''}`,
          )
        return refuseUnless(result.outcome === 'success', result.outcome)
      }
      await nextHint(backend, terminal.signal)
    }
  })
}

/** Resolves at the next hint that something ended, or after a second: hints may be lost. */
function nextHint(
  backend: { readonly events: Pick<EventOperations, 'listen'> },
  signal: AbortSignal,
): Promise<void> {
  return new Promise((done) => {
    const finish = () => {
      clearTimeout(timer)
      stop()
      signal.removeEventListener('abort', finish)
      done()
    }
    const timer = setTimeout(finish, RECHECK_MS)
    const stop = backend.events.listen({ types: ['ended'], onHint: finish })
    signal.addEventListener('abort', finish, { once: true })
  })
}

const RECHECK_MS = 1_000

function refuseUnless(ok: boolean, outcome: string): void {
  if (!ok) throw new CommandError(`Ended as ${outcome}`, exitCodes.refused)
}

async function readJsonFile(file: string): Promise<unknown> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw engineError(
      'invalid_params',
      `Cannot read ${file}`,
      { issues: [{ path: 'file', message: 'unreadable' }] },
      { cause },
    )
  })
  return parseJson(text, file)
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new CommandError(`${what} is not JSON`)
  }
}
