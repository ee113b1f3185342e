import { engineError } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { judgeFault, judgeReplyError, TransportFault } from './fault.js'

const moving =
  'ERR Script attempted to access a non local key in a cluster node script: w, on @user_function:7.'

describe('the text of an error reply', () => {
  it.each([
    ['TRYAGAIN Multiple keys request during rehashing of slot', false],
    [moving, false],
    ['LOADING Valkey is loading the dataset in memory', false],
    ['BUSY Valkey is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.', false],
    ['NOREPLICAS Not enough good replicas to write.', false],
    ['ERR max number of clients reached', false],
    ['CLUSTERDOWN The cluster is down', true],
    ['CLUSTERDOWN Hash slot not served', true],
    [
      'ERR Script attempted to execute a command while the cluster is down script: w, on @user_function:7.',
      true,
    ],
    ['ERR Script attempted to access a slot not served script: w, on @user_function:7.', true],
    ["READONLY You can't write against a read only replica.", true],
    ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", true],
  ])('%s: nothing was done, and it may go better in a moment', (text, isViewOld) => {
    expect(judgeReplyError(text)).toEqual({ kind: 'pause', text, isViewOld })
  })

  it.each([
    ["OOM command not allowed when used memory > 'maxmemory'.", 'store_full', 'resource_exhausted'],
    ['OOM allow-oom flag is not set on the script, can not run it', 'store_full', 'resource_exhausted'],
    ['MISCONF Errors writing to the AOF file: No space left on device', 'store_unreachable', 'unavailable'],
    ['WRONGTYPE Operation against a key holding the wrong kind of value', 'corruption', 'corruption'],
    ['NOAUTH Authentication required.', 'invalid_configuration', 'validation'],
    ['WRONGPASS invalid username-password pair or user is disabled.', 'invalid_configuration', 'validation'],
    ["NOPERM User a has no permissions to run the 'fcall' command", 'invalid_configuration', 'validation'],
    ['DENIED Valkey is running in protected mode', 'invalid_configuration', 'validation'],
    [
      'ERR AUTH <password> called without any password configured for the default user. Are you sure?',
      'invalid_configuration',
      'validation',
    ],
    ['ERR DB index is out of range', 'invalid_configuration', 'validation'],
    ["CROSSSLOT Keys in request don't hash to the same slot", 'internal_error', 'unavailable'],
    ["ERR unknown command 'FCALLL'", 'internal_error', 'unavailable'],
    ['ERR user_function:4: attempt to index a nil value', 'internal_error', 'unavailable'],
    ['MOVED somewhere', 'internal_error', 'unavailable'],
    ['FF', 'internal_error', 'unavailable'],
    ['', 'internal_error', 'unavailable'],
  ])('%s is %s', (text, code, kind) => {
    const verdict = judgeReplyError(text)
    expect(verdict).toMatchObject({ kind: 'refused', error: { code, kind } })
    // Whoever reads the error sees what the server said.
    if (text !== '') expect(verdict.kind === 'refused' && verdict.error.message).toContain(text)
  })

  it.each([
    [
      'MOVED 3999 127.0.0.1:6381',
      { kind: 'moved', slot: 3_999, address: { host: '127.0.0.1', port: 6_381 } },
    ],
    ['MOVED 3999 ::1:6381', { kind: 'moved', slot: 3_999, address: { host: '::1', port: 6_381 } }],
    [
      'MOVED 7 node-b.example:6381',
      { kind: 'moved', slot: 7, address: { host: 'node-b.example', port: 6_381 } },
    ],
    // The same host as was asked.
    ['MOVED 7 :6381', { kind: 'moved', slot: 7, address: { host: '', port: 6_381 } }],
    ['MOVED 7 ?:6381', { kind: 'moved', slot: 7, address: { host: '', port: 6_381 } }],
    ['ASK 16383 10.0.0.1:1', { kind: 'ask', slot: 16_383, address: { host: '10.0.0.1', port: 1 } }],
  ])('%s names another node', (text, verdict) => {
    expect(judgeReplyError(text)).toEqual(verdict)
  })

  it.each([
    ['ERR Function not found', 'function_not_found', 'ERR Function not found', {}],
    ['FF stale_lease', 'stale_lease', '', {}],
    ['FF stale_lease {"epoch":3}', 'stale_lease', '{"epoch":3}', { epoch: 3 }],
    ['FF corruption the record of x', 'corruption', 'the record of x', {}],
    [
      'FF corruption {"subject":"a}"} script: ff_work, on @user_function:31.',
      'corruption',
      '{"subject":"a}"}',
      { subject: 'a}' },
    ],
    ['FF invalid_arguments {not json', 'invalid_arguments', '{not json', {}],
  ])('%s is an answer of our library', (text, code, detail, details) => {
    expect(judgeReplyError(text)).toEqual({ kind: 'function', code, detail, details })
  })
})

describe('a failed try', () => {
  it('is judged by the text when the server has answered', () => {
    const fault = Object.assign(new Error('TRYAGAIN later'), { name: 'ReplyError' })
    expect(judgeFault(fault)).toMatchObject({ kind: 'pause' })
  })

  it('tells what was never sent from what was lost', () => {
    expect(judgeFault(new TransportFault('unsent', 'no'))).toEqual({ kind: 'unsent', text: 'no' })
    expect(judgeFault(new TransportFault('connection_lost', 'cut'))).toEqual({
      kind: 'unknown',
      code: 'connection_lost',
      text: 'cut',
      isSlow: false,
    })
    expect(judgeFault(new TransportFault('timed_out', 'late', true))).toMatchObject({
      code: 'timed_out',
      isSlow: true,
    })
  })

  it('keeps an error that has a code already, and takes anything else for a fault of ours', () => {
    const error = engineError('closed', 'over')
    expect(judgeFault(error)).toEqual({ kind: 'refused', error })
    expect(judgeFault(new TypeError('no'))).toMatchObject({ error: { code: 'internal_error' } })
    expect(judgeFault('no')).toMatchObject({ error: { code: 'internal_error' } })
  })
})
