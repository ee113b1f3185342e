/**
 * Roles beyond the foundation, and the stores that have them: whoever gives a store such a role adds its name here. Suites
 * that are about the role alone run on these stores; in others they ask `hasRole`. A role that all stores have goes from here.
 */
export const storesWith: Readonly<Record<LaterRole, readonly string[]>> = {
  budgets: ['model', 'pglite', 'postgres18', 'postgres15', 'valkey', 'valkeyCluster'],
  quotas: ['model', 'pglite', 'postgres18', 'postgres15', 'valkey', 'valkeyCluster'],
}
export type LaterRole = 'budgets' | 'quotas'

/** The suites of roles that the store does not have: `test/conformance/<role>`. */
export function suitesWithout(store: string | undefined): readonly string[] {
  if (store === undefined) return []
  const missing = Object.entries(storesWith).filter(([, stores]) => !stores.includes(store))
  return missing.map(([role]) => `test/conformance/${role}/**`)
}
