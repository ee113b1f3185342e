--- The record of a bulk operation: empty where there is none.
-- @flags no-writes
-- @args name: string
-- @reply [name: string, version: number, createdMs: number, dueMs: number, definition: string, progress: string] | []
-- @errors corruption schema_mismatch
return function(u, a)
  return operations.get(u, a[1]) or {}
end
