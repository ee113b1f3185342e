import type { ExecutionId } from '@flowfabric/core'
import { describe, expect, expectTypeOf, test } from 'vitest'
import type { Client } from '../client/create-client.js'
import type { ExecutionHandle } from '../client/execution-handle.js'
import type { FlowHandle } from '../client/flow-handle.js'
import { defineFlow, type FlowDefinition } from '../flows/define-flow.js'
import { allOf, anyOf } from '../flows/joins.js'
import type { NodeRef } from '../flows/refs.js'
import type { StandardSchema } from '../schema/standard-schema.js'
import { type } from '../schema/type.js'
import { defineTask, implementTask } from './define-task.js'
import type { HandlerContext } from './handler-context.js'
import type { NoUpstream, Task } from './task.js'
import { listOf, type UpstreamList, type UpstreamView } from './upstream.js'

/** A schema that takes a text and makes a number of it. */
const numeric = type<never>() as unknown as StandardSchema<string, number>
const count = defineTask({ kind: 'count', input: type<{ path: string }>(), handler: () => ({ lines: 1 }) })
const name = defineTask({ kind: 'name', handler: async () => 'a name' })
const report = defineTask({
  kind: 'report',
  upstream: { counts: listOf(count), title: name },
  handler(context) {
    expectTypeOf(context.upstream.counts).toEqualTypeOf<readonly UpstreamView<{ lines: number }>[]>()
    expectTypeOf(context.upstream.title).toEqualTypeOf<UpstreamView<string>>()
    expectTypeOf(context.resultOf('title')).toEqualTypeOf<string>()
    expectTypeOf(context.resultsOf('counts')).toEqualTypeOf<readonly { lines: number }[]>()
    // @ts-expect-error: a list is read as a list.
    expectTypeOf(context.resultOf).parameter(0).toEqualTypeOf<'counts'>()
    return 1
  },
})

describe('the types of a task', () => {
  test('follow from its schemas and its handler', () => {
    expectTypeOf(count).toEqualTypeOf<
      Task<{ path: string }, { lines: number }, NoUpstream, { path: string }>
    >()
    const parsed = defineTask({
      kind: 'parsed',
      input: numeric,
      output: numeric,
      handler(context) {
        expectTypeOf(context.input).toEqualTypeOf<number>()
        return 'text'
      },
    })
    const submit = (client: Client) => client.submit(parsed, 'text')
    expectTypeOf(submit).returns.resolves.toEqualTypeOf<ExecutionHandle<number>>()
    expect(parsed.input).toBe(numeric)
    defineTask({
      kind: 'wrong',
      output: numeric,
      // @ts-expect-error: the schema takes a text.
      handler: () => 5,
    })
  })

  test('say what a submit takes and what its result is', () => {
    const submit = (client: Client) => ({
      one: () => client.submit(count, { path: 'a' }),
      none: () => client.submit(name),
      many: () => client.submitMany(count, [{ path: 'a' }]),
      // @ts-expect-error: it takes an input.
      missing: () => client.submit(count),
      // @ts-expect-error: of another type.
      wrong: () => client.submit(count, { path: 5 }),
      // @ts-expect-error: what it expects to be handed down, a solo execution never gets.
      alone: () => client.submit(report),
    })
    expectTypeOf<ReturnType<typeof submit>['one']>().returns.resolves.toEqualTypeOf<
      ExecutionHandle<{ lines: number }>
    >()
    expectTypeOf<ReturnType<typeof submit>['none']>().returns.resolves.toEqualTypeOf<
      ExecutionHandle<string>
    >()
  })

  test('hold for a handler that is added later', () => {
    const contract = defineTask({ kind: 'contract', input: type<string>(), output: type<number>() })
    const task = implementTask(contract, (context) => {
      expectTypeOf(context.input).toEqualTypeOf<string>()
      return context.input.length
    })
    expectTypeOf(task).toEqualTypeOf(contract)
  })

  test('hold inside a handler', () => {
    const check = async (context: HandlerContext) => {
      expectTypeOf(context.submit('name', count, { path: 'a' })).resolves.toEqualTypeOf<ExecutionId>()
      expectTypeOf(await context.step('name', () => 'a')).toEqualTypeOf<string>()
    }
    expectTypeOf(check).toBeFunction()
  })
})

describe('the types of a flow', () => {
  const flow = defineFlow('flow', (f, input: readonly string[]) => {
    const counts = f.map(
      input.map((path) => ({ path })),
      count,
    )
    const title = f.node(name)
    const last = f.after(allOf({ counts, title })).node(report)
    expectTypeOf(title).toEqualTypeOf<NodeRef<string>>()
    expectTypeOf(allOf({ counts, title })).toHaveProperty('edges')
    return { last, title }
  })

  test('follow from its definition', () => {
    expectTypeOf(flow).toEqualTypeOf<
      FlowDefinition<
        readonly string[],
        { readonly last: number | undefined; readonly title: string | undefined }
      >
    >()
    const submit = (client: Client) => client.submit(flow, ['a'])
    expectTypeOf(submit).returns.resolves.toEqualTypeOf<
      FlowHandle<{ readonly last: number | undefined; readonly title: string | undefined }>
    >()
    expect(flow.graph(['a']).results).toEqual({ last: 'report', title: 'name' })
  })

  test('connect what a join hands down with what a task expects', () => {
    defineFlow('wrong', (f) => {
      const counts = f.map([{ path: 'a' }], count)
      // @ts-expect-error: nothing is handed down under the name title.
      f.after(allOf({ counts })).node(report)
      // @ts-expect-error: a name is no list of counts.
      f.after(anyOf({ counts: f.node(name), title: f.node(name) })).node(report)
      // @ts-expect-error: without a join nothing is handed down at all.
      f.node(report)
      f.after(allOf({ counts, title: f.node(name), more: f.node(name) })).node(report)
    })
    const items = defineTask({ kind: 'items', upstream: { items: listOf(count) }, handler: () => 'x' })
    defineFlow('map', (f) => {
      expectTypeOf(f.map([{ path: 'a' }], count).join(items)).toEqualTypeOf<NodeRef<string>>()
    })
    expectTypeOf<UpstreamList<number>>().not.toEqualTypeOf<number[]>()
  })
})
