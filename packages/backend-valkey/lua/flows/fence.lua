--- Whether a worker still holds its lease, where that is not of the flow that it extends. Answers why not, or nothing.
-- @flags no-writes
-- @args namespace: string, handle: [execution: string, attempt: int, lease: string, epoch: int]
-- @reply unknown[]
-- @errors corruption schema_mismatch
return function(u, a)
  local pass, _, _, known = fence.judge(u, { a[1] }, a[2], 'e')
  return pass == 'held' and {} or known
end
