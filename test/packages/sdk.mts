// The SDK alone: a flow is data, with typed inputs and results, and needs no store to be built.
import assert from 'node:assert/strict'
import { allOf, defineFlow, defineTask, type } from '@flowfabric/sdk'

const count = defineTask({ kind: 'count', input: type<{ text: string }>(), output: type<number>() })
const double = defineTask({ kind: 'double', upstream: { words: count }, output: type<number>() })
const words = defineFlow('words', (f, input: { text: string }) => {
  const counted = f.node(count, input)
  return { doubled: f.after(allOf({ words: counted })).node(double) }
})

const graph = words.graph({ text: 'one two three' })
assert.equal(graph.nodes.length, 2)
assert.equal(graph.edges.length, 1)
