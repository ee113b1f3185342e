// The SDK alone, against a server elsewhere: typed tasks, a flow, a worker over HTTP.
import assert from 'node:assert/strict'
import { allOf, createClient, createWorker, defineFlow, defineTask, type } from '@flowfabric/sdk'

const { FF_URL: url, FF_TOKEN: token } = process.env
assert(url && token)

const count = defineTask({
  kind: 'count',
  input: type<{ text: string }>(),
  output: type<number>(),
  handler: ({ input }) => input.text.split(' ').length,
})
const double = defineTask({
  kind: 'double',
  upstream: { words: count },
  output: type<number>(),
  handler: (context) => context.resultOf('words') * 2,
})
const words = defineFlow('words', (f, input: { text: string }) => {
  const counted = f.node(count, input)
  return { doubled: f.after(allOf({ words: counted })).node(double) }
})

const connect = { url, token }
const worker = createWorker({ connect, tasks: [count, double] })
await worker.start()
const client = createClient({ connect })

const flow = await client.submit(words, { text: 'one two three' })
assert.deepEqual(await flow.result({ timeoutMs: 20_000 }), { doubled: 6 })

await worker.drain()
client.close()
