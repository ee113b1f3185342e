--- Bulk operations or webhooks that are due, or will be within so many ms, the longest due first, and when the next of the others is
-- (0: none). One that cannot be read is told of without its texts, and is not due again for a while.
-- @flags allow-oom
-- @brings nothing
-- @args kind: string, max: int, withinMs: int, brokenAgainMs: int
-- @reply [rows: [name: string, version: number, createdMs: number, dueMs: number, definition: string, progress: string][], nextDueMs: number]
-- @errors corruption schema_mismatch invalid_arguments
return function(u, a)
  local rows, next_due = dues.rows(u, records.due_index(u, a[1]), a[2], a[3], a[4], function(name)
    return records.get(u, a[1], name)
  end, function(name)
    return { name, 0, 0, u.now, '', '' }
  end)
  return { rows, next_due }
end
