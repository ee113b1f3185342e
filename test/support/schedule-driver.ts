import {
  type Execution,
  type ExecutionId,
  makePartitionTag,
  mintScheduleId,
  type PartitionTag,
  type PutSchedule,
  parseKind,
  parseLaneId,
  quotaPartition,
  type Schedule,
  type ScheduledId,
  type ScheduleFireItem,
  type ScheduleId,
  type TriggerScheduleOutcome,
} from '@flowfabric/core'
import { afterEach } from 'vitest'
import type { TestBackendOptions } from './backends.js'
import { type TestStore, useStore } from './use-store.js'

export const minute = 60_000

/** One schedule, by hand: what a runner does is done by the test. */
export class ScheduleDriver {
  readonly store: TestStore
  readonly id: ScheduleId = mintScheduleId()
  readonly lane = parseLaneId('scheduled')
  /** Its last definition. */
  put: PutSchedule

  private constructor(store: TestStore, more: Partial<PutSchedule>) {
    this.store = store
    this.put = {
      namespace: store.namespace,
      scheduleId: this.id,
      label: 'every minute',
      timing: { kind: 'interval', everyMs: minute },
      work: { kind: 'execution', spec: { kind: parseKind('work'), lane: this.lane, input: null } },
      ...more,
    }
  }

  /** Made just before a full minute, by default with a tick at each full minute. */
  static async create(store: TestStore, more: Partial<PutSchedule> = {}): Promise<ScheduleDriver> {
    const driver = new ScheduleDriver(store, more)
    await store.advance(minute - ((await store.nowMs()) % minute) - 1)
    await store.backend.schedules.put(driver.put)
    return driver
  }

  get name() {
    return { namespace: this.store.namespace, scheduleId: this.id }
  }

  get partition(): PartitionTag {
    const { quota } = this.store.opened.partitionCounts
    return makePartitionTag('quota', quotaPartition(this.store.namespace, this.id, quota))
  }

  async change(more: Partial<PutSchedule>): Promise<Schedule> {
    this.put = { ...this.put, ...more }
    return (await this.store.backend.schedules.put(this.put)).schedule
  }

  async read(): Promise<Schedule> {
    return (await this.store.backend.schedules.get(this.name)).schedule
  }

  async nextFires(): Promise<readonly number[]> {
    return (await this.store.backend.schedules.get(this.name)).nextFiresMs
  }

  /** One pass over its partition; answers what concerns this schedule. */
  async fire(max = 100): Promise<readonly ScheduleFireItem[]> {
    const { items } = await this.store.backend.schedules.fireDue({ partition: this.partition, max })
    return items.filter(({ scheduleId }) => scheduleId === this.id)
  }

  /** Moves the clock, and fires what is due then. */
  async pass(byMs: number): Promise<readonly ScheduleFireItem[]> {
    await this.store.advance(byMs)
    return this.fire()
  }

  /** To the next full minute. */
  async passTick(): Promise<readonly ScheduleFireItem[]> {
    return this.pass(minute - ((await this.store.nowMs()) % minute))
  }

  async trigger(
    triggerKey: string,
    backfill?: { readonly fromMs: number; readonly toMs: number },
  ): Promise<TriggerScheduleOutcome> {
    return this.store.backend.schedules.trigger({ ...this.name, triggerKey, backfill })
  }

  /** All executions that it started, oldest tick first. */
  async started(): Promise<readonly Execution[]> {
    const { namespace, backend } = this.store
    const filter = { lane: this.lane, tags: { 'schedule.id': this.id } }
    const { items } = await backend.executions.list({ namespace, filter, limit: 1_000 })
    return items.toSorted((a, b) => tickOf(a) - tickOf(b))
  }

  /** The ticks by which they were. */
  async startedTicks(): Promise<readonly number[]> {
    return (await this.started()).map(tickOf)
  }

  /** Ends one of them. */
  async end(id: ScheduledId | null | undefined): Promise<void> {
    const { namespace, backend } = this.store
    await backend.executions.cancel({ namespace, id: id as ExecutionId })
    await this.store.settle()
  }
}

export function tickOf(execution: Execution): number {
  return Number(execution.tags['schedule.tick_ms'])
}

/** As `useStore`; schedules go with their test, so that each sees its own alone in their partition. */
export function useScheduleStore(options: TestBackendOptions = {}): () => TestStore {
  const store = useStore(options)
  afterEach(async () => {
    const { backend, namespace } = store()
    const { items } = await backend.schedules.list({ namespace, limit: 1_000 })
    for (const { id } of items) await backend.schedules.delete({ namespace, scheduleId: id })
  })
  return store
}
