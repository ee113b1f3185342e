import type { FoundationBackend, StepType } from '@flowfabric/core'
import type { Chooser } from '../chooser.js'
import { type Call, handleOn, type LeaseHandles, nameLeases, type World } from '../world.js'
import { chooseExecution, chooseNamespace } from './executions.js'
import { choosePayload } from './spec.js'

function chooseLease(c: Chooser, world: World): LeaseHandles | undefined {
  return c.rarely(4) ? c.among(world.handles) : world.handles[world.handles.length - 1 - c.below(4)]
}

const scope = (world: World) => ({ namespaces: [world.namespace] })

export function recordProgress(c: Chooser, world: World): Call {
  const lease = chooseLease(c, world)
  const percent = c.rarely(10) ? 101 : c.of([50, 0, 100])
  const message = c.rarely(2) ? { message: 'half way' } : {}
  return {
    text: `attempts.recordProgress ${nameLeases([lease])} ${percent}`,
    on: (backend, side) =>
      backend.attempts.recordProgress({
        ...scope(world),
        items: [{ handle: handleOn(side, lease), percent, ...message }],
      }),
  }
}

export function recordStep(c: Chooser, world: World): Call {
  const lease = chooseLease(c, world)
  const type = c.of(['step', 'sleep'] as readonly [StepType, StepType])
  const name = c.rarely(20) ? '' : `step-${c.below(3)}`
  const result = c.rarely(2) ? choosePayload(c, `kept ${c.below(2)}`) : null
  return {
    text: `attempts.recordStep ${nameLeases([lease])} ${name} ${type}`,
    on: (backend, side) =>
      backend.attempts.recordStep({
        ...scope(world),
        items: [{ handle: handleOn(side, lease), name, type, result }],
      }),
  }
}

function pagesOf(
  text: string,
  read: (cursor: string | undefined) => (backend: FoundationBackend) => Promise<{
    readonly items: readonly unknown[]
    readonly nextCursor: string | null
  }>,
): Call {
  return {
    text,
    on: async (backend) => {
      const pages: unknown[] = []
      let cursor: string | undefined
      do {
        const page = await read(cursor)(backend)
        pages.push(page.items)
        cursor = page.nextCursor ?? undefined
      } while (cursor !== undefined)
      return { outcome: 'listed', pages }
    },
  }
}

export function list(c: Chooser, world: World): Call {
  const params = {
    namespace: chooseNamespace(c, world),
    executionId: chooseExecution(c, world),
    limit: 1 + c.below(3),
  }
  return pagesOf(
    `attempts.list ${params.executionId}`,
    (cursor) => (backend) => backend.attempts.list({ ...params, cursor }),
  )
}

export function loadSteps(c: Chooser, world: World): Call {
  const params = {
    namespace: chooseNamespace(c, world),
    executionId: chooseExecution(c, world),
    limit: 1 + c.below(3),
  }
  return pagesOf(
    `attempts.loadSteps ${params.executionId}`,
    (cursor) => (backend) => backend.attempts.loadSteps({ ...params, cursor }),
  )
}

export function loadUpstream(c: Chooser, world: World): Call {
  const params = {
    namespace: chooseNamespace(c, world),
    executionId: chooseExecution(c, world),
    limit: 1 + c.below(3),
  }
  return pagesOf(
    `attempts.loadUpstream ${params.executionId}`,
    (cursor) => (backend) => backend.attempts.loadUpstream({ ...params, cursor }),
  )
}
