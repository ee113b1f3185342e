import type { EngineEvent, FoundationBackend } from '@flowfabric/core'
import type { TestStore } from '../support/use-store.js'

/** Reads the feed of a store's namespace, as far as it goes. */
export function createFeedReader(store: () => TestStore) {
  /** Some stores number their events after commit. */
  async function number(): Promise<void> {
    for (const partition of store().partitions)
      await store().backend.maintenance.upkeep({ partition, max: 500 })
  }

  async function readOn(cursor: string | undefined, backend: FoundationBackend = store().backend) {
    await number()
    const events: EngineEvent[] = []
    let at = cursor
    for (;;) {
      const page = await backend.events.read({ namespace: store().namespace, cursor: at, limit: 7 })
      events.push(...page.events)
      if (page.events.length === 0 && page.cursor === at) return { events, cursor: page.cursor }
      at = page.cursor
    }
  }

  return { number, readOn }
}

export const keyOf = ({ partition, number: n }: EngineEvent): string => `${partition}#${n}`
