--- Bulk operations that are due, the longest due first, and when the next of the others is (0: none). One that cannot be read is
-- told of without its texts, and is not due again for a while.
-- @flags allow-oom
-- @brings nothing
-- @args max: int, brokenAgainMs: int
-- @reply [rows: [name: string, version: number, createdMs: number, dueMs: number, definition: string, progress: string][], nextDueMs: number]
-- @errors corruption schema_mismatch
return function(u, a)
  local rows = {}
  local names, next_due = operations.due(u, a[1])
  for _, name in ipairs(names) do
    local is_sound, row = sound.try(operations.get, u, name)
    if is_sound and row then
      rows[#rows + 1] = row
    else
      operations.put_off(u, name, is_sound, a[2])
      if not is_sound then rows[#rows + 1] = { name, 0, 0, u.now, '', '' } end
    end
  end
  return { rows, next_due }
end
