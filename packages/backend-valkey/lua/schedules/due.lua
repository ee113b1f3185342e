--- Schedules that are due, the longest due first, and when the next of the others is (0: none). One that cannot be read is told
-- of without its texts, and is not due again for a while.
-- @flags allow-oom
-- @brings nothing
-- @args max: int, brokenAgainMs: int
-- @reply [rows: [name: string, label: string, version: number, dueMs: number, definition: string, progress: string, work: string][], nextDueMs: number]
-- @errors corruption schema_mismatch
return function(u, a)
  local rows, next_due = dues.rows(u, schedules.due_index(u), a[1], 0, a[2], function(name)
    return schedules.get(u, name)
  end, function(name)
    return { name, '', 0, u.now, '', '', '' }
  end)
  return { rows, next_due }
end
