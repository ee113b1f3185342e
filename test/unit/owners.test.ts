import {
  attemptStates,
  blockingReasons,
  eligibilityStates,
  flowStates,
  lifecyclePhases,
  ownershipStates,
  pendingWorks,
  type StateVector,
  terminalFlowStates,
  terminalOutcomes,
  vectorViolations,
} from '@flowfabric/core'
import { foundationScanners } from '@flowfabric/scanners'
import { describe, expect, it } from 'vitest'
import { createModel } from '../model/index.js'
import { executionOwners, flowOwners, ownersOf, partOwners, pendingOwners } from '../owners.js'

describe('every state has an owner', () => {
  it('each possible state of an execution that is not an end has exactly one row', () => {
    let states = 0
    for (const vector of possibleVectors()) {
      if (vector.lifecyclePhase === 'terminal') {
        expect(ownersOf(vector), JSON.stringify(vector)).toHaveLength(0)
        continue
      }
      states += 1
      expect(ownersOf(vector), JSON.stringify(vector)).toHaveLength(1)
    }
    expect(states).toBeGreaterThan(50)
  })

  it('each row is of use to some possible state', () => {
    const vectors = [...possibleVectors()]
    for (const row of executionOwners) expect(vectors.some(row.covers), row.id).toBe(true)
  })

  it('each state of a flow that is not an end has a row', () => {
    const open = flowStates.filter((state) => !terminalFlowStates.some((end) => end === state))
    expect(Object.keys(flowOwners).sort()).toEqual([...open].sort())
  })

  it('each kind of pending work has a row', () => {
    expect(Object.keys(pendingOwners).sort()).toEqual([...pendingWorks].sort())
  })

  it('each scanner that a row names exists, and wakes on the work that it owns', () => {
    const scanners = new Map(foundationScanners().map((scanner) => [scanner.name, scanner]))
    for (const [work, { scanner }] of Object.entries(pendingOwners)) {
      const owner = scanners.get(scanner)
      expect(owner, scanner).toBeDefined()
      if (owner?.scope === 'partition') expect(owner.wakesOn, scanner).toContain(work)
    }
    for (const { id, scanner } of [...executionOwners, ...Object.values(flowOwners), ...partOwners]) {
      if (scanner === null) continue
      expect(scanners.has(scanner), `${id}: ${scanner}`).toBe(true)
    }
  })

  it('each operation that a row names is one of the contract', () => {
    const backend = createModel() as unknown as Record<string, Record<string, unknown>>
    for (const { id, movedBy } of [...executionOwners, ...Object.values(flowOwners), ...partOwners]) {
      for (const operation of movedBy) {
        const [role = '', name = ''] = operation.split('.')
        expect(typeof backend[role]?.[name], `${id}: ${operation}`).toBe('function')
      }
    }
  })

  it('ids are unique, and each row says what it waits for', () => {
    const rows = [...executionOwners, ...Object.values(flowOwners), ...partOwners]
    expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length)
    for (const row of rows) {
      expect(row.waitsFor.length, row.id).toBeGreaterThan(10)
      expect(row.movedBy.length, row.id).toBeGreaterThan(0)
    }
  })
})

function* possibleVectors(): Generator<StateVector> {
  for (const lifecyclePhase of lifecyclePhases)
    for (const ownershipState of ownershipStates)
      for (const eligibilityState of eligibilityStates)
        for (const blockingReason of blockingReasons)
          for (const terminalOutcome of terminalOutcomes)
            for (const attemptState of attemptStates) {
              const vector: StateVector = {
                lifecyclePhase,
                ownershipState,
                eligibilityState,
                blockingReason,
                terminalOutcome,
                attemptState,
              }
              if (vectorViolations(vector).length === 0) yield vector
            }
}
