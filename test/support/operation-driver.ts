import {
  type BulkOperations,
  type Execution,
  type ExecutionId,
  type ExecutionSubmission,
  makePartitionTag,
  mintOperationId,
  type Operation,
  type OperationAdvanceItem,
  type OperationId,
  type OperationWork,
  type PartitionTag,
  quotaPartition,
} from '@flowfabric/core'
import type { TestStore } from './use-store.js'

/** One bulk operation, by hand: what a runner does is done by the test. */
export class OperationDriver {
  readonly store: TestStore
  readonly id: OperationId
  readonly #operations: BulkOperations

  private constructor(store: TestStore, id: OperationId, operations: BulkOperations) {
    this.store = store
    this.id = id
    this.#operations = operations
  }

  /** Begun now; through `operations`, where these are not the store's own. */
  static async begin(
    store: TestStore,
    work: OperationWork,
    operations: BulkOperations = store.backend.operations,
  ): Promise<OperationDriver> {
    const driver = new OperationDriver(store, mintOperationId(), operations)
    await operations.create({ ...driver.name, work })
    return driver
  }

  /** All that there are in the namespace, the newest first. */
  static async all(store: TestStore): Promise<readonly OperationDriver[]> {
    const { operations } = store.backend
    const { items } = await operations.list({ namespace: store.namespace })
    return items.map(({ id }) => new OperationDriver(store, id, operations))
  }

  get name() {
    return { namespace: this.store.namespace, operationId: this.id }
  }

  get partition(): PartitionTag {
    const { quota } = this.store.opened.partitionCounts
    return makePartitionTag('quota', quotaPartition(this.store.namespace, this.id, quota))
  }

  async read(): Promise<Operation> {
    return (await this.store.backend.operations.get(this.name)).operation
  }

  /** One pass over its partition; answers what concerns it. */
  async advance(
    max = 500,
    operations: BulkOperations = this.#operations,
  ): Promise<OperationAdvanceItem | undefined> {
    const { items } = await operations.advance({ partition: this.partition, max })
    return items.find(({ operationId }) => operationId === this.id)
  }

  /** To its end. */
  async run(max?: number): Promise<Operation> {
    for (let pass = 0; pass < 1_000; pass += 1) {
      await this.advance(max)
      const operation = await this.read()
      if (operation.state !== 'running') {
        await this.store.settle()
        return operation
      }
    }
    throw new Error(`the operation ${this.id} does not end`)
  }
}

/** Submits so many, and answers their ids. */
export async function submitSolos(
  { backend, namespace, aSolo }: TestStore,
  count: number,
  more: Partial<ExecutionSubmission> = {},
): Promise<readonly ExecutionId[]> {
  const items = Array.from({ length: count }, () => aSolo(more))
  await backend.executions.submit({ namespace, items })
  return items.map(({ id }) => id)
}

export async function readAll(
  { backend, namespace }: TestStore,
  ids: readonly ExecutionId[],
): Promise<readonly Execution[]> {
  return Promise.all(ids.map(async (id) => (await backend.executions.get({ namespace, id })).execution))
}

export async function statesOf(store: TestStore, ids: readonly ExecutionId[]): Promise<readonly string[]> {
  return (await readAll(store, ids)).map(({ publicState }) => publicState)
}
