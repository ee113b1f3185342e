import { engineError } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { sqlStateOf, toEngineError } from './fault.js'

const raised = (code: string, message = 'said the store') => Object.assign(new Error(message), { code })

describe('a fault of the store', () => {
  it.each([
    ['40001', 'contention', 'contention'],
    ['40P01', 'contention', 'contention'],
    ['55P03', 'contention', 'contention'],
    ['57014', 'timed_out', 'transport'],
    ['57P01', 'connection_lost', 'transport'],
    ['08006', 'connection_lost', 'transport'],
    ['57P03', 'store_unreachable', 'unavailable'],
    ['28P01', 'store_unreachable', 'unavailable'],
    ['53300', 'store_unreachable', 'unavailable'],
    ['53100', 'store_full', 'resource_exhausted'],
    ['42P01', 'migrations_pending', 'unavailable'],
    ['42883', 'migrations_pending', 'unavailable'],
    ['22021', 'nul_in_text', 'validation'],
    ['XX001', 'corruption', 'corruption'],
    ['23514', 'internal_error', 'unavailable'],
    ['ECONNREFUSED', 'store_unreachable', 'unavailable'],
    ['ECONNRESET', 'connection_lost', 'transport'],
  ])('%s is %s', (state, code, kind) => {
    const cause = raised(state)
    expect(toEngineError(cause, true)).toMatchObject({ code, kind, cause })
  })

  it('says of a lost connection whether the call may have been carried out', () => {
    expect(toEngineError(raised('57P01'), true).mayHaveCommitted).toBe(true)
    expect(toEngineError(raised('ECONNRESET'), false).mayHaveCommitted).toBe(false)
    expect(toEngineError(new Error('Connection terminated unexpectedly'), true)).toMatchObject({
      code: 'connection_lost',
      mayHaveCommitted: true,
    })
    expect(toEngineError(raised('40001'), true).mayHaveCommitted).toBeUndefined()
  })

  it.each(['timeout exceeded when trying to connect', 'Connection terminated due to connection timeout'])(
    'says that nothing was carried out: %s',
    (message) => {
      const error = toEngineError(new Error(message), true)
      expect(error.code).toBe('store_unreachable')
      expect(error.mayHaveCommitted).toBeUndefined()
    },
  )

  it('that our own SQL raised keeps its code', () => {
    expect(toEngineError(raised('FF001', 'flow_not_found: nothing of that name'), true).code).toBe(
      'flow_not_found',
    )
    expect(toEngineError(raised('FF001', 'no_such_code: oh'), true).code).toBe('internal_error')
  })

  it('is left alone when it has a code already', () => {
    const error = engineError('closed', 'over')
    expect(toEngineError(error, true)).toBe(error)
    expect(sqlStateOf(toEngineError(raised('40001'), true))).toBe('40001')
  })
})
