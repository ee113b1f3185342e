import type { EngineBackend, FoundationBackend } from '@flowfabric/core'
import { type BackendName, backendName } from './backends.js'
import { type LaterRole, storesWith } from './later-roles.js'

export function hasRole(role: LaterRole, name: BackendName = backendName()): boolean {
  return storesWith[role].includes(name)
}

/** The role of a backend; throws where there is none. */
export function roleOf<Role extends LaterRole>(backend: FoundationBackend, role: Role): EngineBackend[Role] {
  const found = findRole(backend, role)
  if (found === undefined) throw new Error(`this backend has no ${role}`)
  return found
}

export function findRole<Role extends LaterRole>(
  backend: FoundationBackend,
  role: Role,
): EngineBackend[Role] | undefined {
  return (backend as FoundationBackend & Partial<EngineBackend>)[role]
}
