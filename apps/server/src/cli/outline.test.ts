import { describe, expect, it } from 'vitest'
import { formatOutline } from './outline.js'

describe('an outline', () => {
  it('puts values beside their names, and records and lists below them', () => {
    const record = {
      id: 'x',
      createdAtMs: 1_767_225_600_000,
      attempt: { index: 0, worker: 'w' },
      edges: [{ from: 'a', as: null }, { from: 'b' }],
      keys: ['one', 'two'],
      left: undefined,
    }
    expect(formatOutline(record).split('\n')).toEqual([
      'id           x',
      'createdAtMs  1767225600000 (2026-01-01T00:00:00.000Z)',
      'attempt',
      '  index   0',
      '  worker  w',
      'edges',
      '  - from  a',
      '    as    -',
      '  - from  b',
      'keys',
      '  - one',
      '  - two',
    ])
  })

  it('tells that there is nothing, instead of leaving it out', () => {
    expect(formatOutline({ group: null, edges: [], indexes: {}, name: '' }).split('\n')).toEqual([
      'group    -',
      'edges    -',
      'indexes  -',
      "name     ''",
    ])
  })
})
