--- A namespace's bulk operations or webhooks in the partition, newest first, from behind a place on.
-- @flags no-writes
-- @args kind: string, namespace: string, beforeMs: int, beforeId: string, limit: int
-- @reply [name: string, version: number, createdMs: number, dueMs: number, definition: string, progress: string][]
-- @errors corruption schema_mismatch invalid_arguments
return function(u, a)
  local rows = {}
  for _, name in ipairs(records.list(u, a[1], a[2], a[3], a[4], a[5])) do
    rows[#rows + 1] = records.get(u, a[1], name)
  end
  return rows
end
