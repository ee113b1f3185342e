import type { CountedExecutions, CountedGroup } from '../contract/executions.js'
import { limits } from '../limits.js'

/** Counts of one name may come in several parts. */
export function countApart(parts: Iterable<readonly [name: string, count: number]>): CountedExecutions {
  const sums = new Map<string, number>()
  for (const [name, count] of parts) sums.set(name, (sums.get(name) ?? 0) + count)
  const groups: CountedGroup[] = [...sums]
    .filter(([, count]) => count > 0)
    .map(([name, count]) => ({ name, count }))
    .sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1))
  const count = groups.reduce((sum, group) => sum + group.count, 0)
  return { outcome: 'counted', count, groups: groups.slice(0, limits.countGroupsMax) }
}
