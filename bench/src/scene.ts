import { createEmbedded, type EmbeddedOptions } from '@flowfabric/embedded'
import {
  type ClientOptions,
  createClient,
  createWorker,
  defineTask,
  type SubmitOptions,
  type,
  type Worker,
  type WorkerOptions,
} from '@flowfabric/sdk'
import { inParallel } from './measure.js'

/** What tasks carry unless a scenario says otherwise. */
export const payload = 'x'.repeat(100)

/** Where a scenario runs. */
export type StoreOptions = Pick<EmbeddedOptions, 'store' | 'schema' | 'valkey'>

interface Counter {
  handled: number
  recorded: number
}

/** An engine over the store, a client, and on demand a worker of 16: what a user would write. */
export async function openScene(options: StoreOptions) {
  const embedded = await createEmbedded(options)
  await embedded.start()
  return { ...setScene(embedded.engine), embedded }
}

/** The client and the worker, of an engine in this process or behind a server. */
export function setScene(connect: ClientOptions['connect'] & WorkerOptions['connect']) {
  const counter: Counter = { handled: 0, recorded: 0 }
  const started = new Map<string, number>()
  const client = createClient({ connect })
  const work = defineTask({
    kind: 'work',
    input: type<{ index: number; payload: string }>(),
    retry: { maxAttempts: 1 },
    handler: ({ execution }) => {
      counter.handled += 1
      started.set(execution.id, performance.now())
    },
  })
  const broken = defineTask({
    kind: 'broken',
    retry: { maxAttempts: 1 },
    handler: (): void => {
      throw new Error('fails, so that what follows is skipped')
    },
  })
  const waiter = defineTask({
    kind: 'waiter',
    handler: async ({ execution, suspend }) => {
      await suspend('go')
      started.set(execution.id, performance.now())
    },
  })
  const caller = defineTask({
    kind: 'caller',
    handler: ({ call }) => call('child', work, { index: 0, payload }),
  })
  const startWorker = async (): Promise<Worker> => {
    const worker = createWorker({
      connect,
      tasks: [work, broken, waiter, caller],
      concurrency: 16,
      observer: {
        recorded: () => {
          counter.recorded += 1
        },
      },
    })
    await worker.start()
    return worker
  }
  return { client, work, broken, waiter, caller, counter, started, startWorker }
}

export type Scene = ReturnType<typeof setScene>

export async function closeScene(scene: Awaited<ReturnType<typeof openScene>>): Promise<void> {
  scene.client.close()
  await scene.embedded.stop({ graceMs: 0 })
}

export const submitOne =
  ({ client, work }: Scene, text = payload) =>
  (index: number) =>
    client.submit(work, { index, payload: text })

/** Submits so many in batches of 250. */
export async function submitAll(
  { client, work }: Scene,
  count: number,
  options?: SubmitOptions,
): Promise<void> {
  const batch = 250
  await inParallel(Math.ceil(count / batch), 4, (nth) =>
    client.submitMany(
      work,
      Array.from({ length: Math.min(batch, count - nth * batch) }, (_, index) => ({
        index: nth * batch + index,
        payload,
      })),
      options,
    ),
  )
}
