import type { Execution, ExecutionId, FoundationBackend, PartitionTag } from '@flowfabric/core'
import type { AnyTask, Client } from '@flowfabric/sdk'
import type { Received } from '../../support/receiver.js'
import type { Answered, Ledger } from './ledger.js'
import type { Basics } from './tasks.js'

/** What every role is made from. */
export interface Own {
  readonly ledger: Ledger
  /** Tasks that others are made of too. */
  readonly basics: Basics
  /** What a run returns: its own and nobody else's, so that a recorded result names its run. `detail` comes with it. */
  result(run: { readonly execution: { readonly id: ExecutionId } }, detail?: unknown): string
  /** Where webhooks deliver to. */
  readonly hookUrl: string
  /** What has come there; of whoever judges. */
  readonly received: () => readonly Received[]
}

/** One of the processes under load. */
export interface Stage {
  readonly backend: FoundationBackend
  readonly client: Client
  /** A whole number from 0 to below that. */
  below(bound: number): number
}

/** What is judged, when all has ended and nothing runs any more. */
export interface Judgement {
  readonly backend: FoundationBackend
  readonly client: Client
  /** All that the store has, by id. */
  readonly stored: ReadonlyMap<ExecutionId, Execution>
  ofKind(kind: string): readonly Execution[]
  /** The recorded result of what has completed, as its run has returned it. */
  resultOf(id: ExecutionId): string | undefined
  /** Whether nothing at all may be lost. */
  readonly isDurable: boolean
  /** May never be. */
  wrong(text: string): void
  /** Was told and is not there: what a kill may have taken is counted, all else may not be. */
  lost(what: string, partition: PartitionTag | 'any', told: Answered, text: string): void
}

/** A part of the contract under load: what is asked of it, and how what was answered is judged afterwards. */
export interface Role {
  readonly name: string
  /** How often it has its turn, as a share of the sum of all. */
  readonly weight: number
  readonly tasks?: readonly AnyTask[]
  /** Makes what its turns need; again and again, as processes start. */
  prepare?(stage: Stage): Promise<void>
  /** One turn of the load. */
  act(stage: Stage): Promise<void>
  /** What people still do so that all comes to its end; now and then, until all has. */
  attend?(stage: Stage): Promise<void>
  /** Ends what goes on by itself. */
  close?(stage: Stage): Promise<void>
  /** What still goes on, in words. */
  unfinished?(stage: Stage): Promise<string | undefined>
  judge(judgement: Judgement): Promise<void>
}

export type RoleFactory = (own: Own) => Role

/** Between a run's own result and what came with it. */
export const detailMark = ' with '

/** What a run's result was made with. */
export function detailOf<Detail>(result: string | undefined): Detail | undefined {
  const [, detail] = result?.split(detailMark) ?? []
  return detail === undefined ? undefined : (JSON.parse(detail) as Detail)
}
