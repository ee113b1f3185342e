--- A namespace's bulk operations in the partition, newest first, from behind a place on.
-- @flags no-writes
-- @args namespace: string, beforeMs: int, beforeId: string, limit: int
-- @reply [name: string, version: number, createdMs: number, dueMs: number, definition: string, progress: string][]
-- @errors corruption schema_mismatch
return function(u, a)
  local rows = {}
  for _, name in ipairs(operations.list(u, a[1], a[2], a[3], a[4])) do
    rows[#rows + 1] = operations.get(u, name)
  end
  return rows
end
