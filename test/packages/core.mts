// The contract alone: ids carry their partition, joins are decided by pure functions, errors have codes.
import assert from 'node:assert/strict'
import {
  decideGroup,
  defaultPartitionConfig,
  isEngineError,
  mintExecutionIdInFlow,
  mintFlowId,
  parseExecutionId,
  partitionOfExecution,
  partitionOfFlow,
  resolveJoin,
} from '@flowfabric/core'

const count = defaultPartitionConfig.flow
const flowId = mintFlowId()
const member = mintExecutionIdInFlow(flowId, count)
assert.equal(partitionOfExecution(parseExecutionId(member)).index, partitionOfFlow(flowId, count))

const quorum = resolveJoin({ policy: { kind: 'quorum', k: 2 } })
assert.equal(decideGroup(quorum, { n: 3, succeeded: 2, failed: 0, skipped: 0 }), 'satisfied')
assert.equal(decideGroup(quorum, { n: 3, succeeded: 0, failed: 1, skipped: 1 }), 'impossible')

assert.throws(
  () => parseExecutionId('no id'),
  (error) => isEngineError(error) && error.code.startsWith('invalid_'),
)
