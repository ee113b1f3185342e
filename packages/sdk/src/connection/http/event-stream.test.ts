import { expect, test } from 'vitest'
import { readEventData } from './event-stream.js'

async function readAll(...chunks: readonly string[]): Promise<readonly string[]> {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk))
      controller.close()
    },
  })
  const events: string[] = []
  for await (const data of readEventData(body)) events.push(data)
  return events
}

test('reads the data of each event, wherever the chunks were cut', async () => {
  expect(await readAll('data: {"a"', ':1}\n', '\ndata:2\r\n\r', '\n')).toEqual(['{"a":1}', '2'])
})

test('joins several lines, and skips comments, other fields and what was not ended', async () => {
  expect(await readAll(': hello\nid: 7\nevent: x\ndata: a\ndata: b\n\n: ping\n\ndata: cut')).toEqual(['a\nb'])
})
