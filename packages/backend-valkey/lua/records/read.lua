--- The record of a bulk operation or a webhook: empty where there is none.
-- @flags no-writes
-- @args kind: string, name: string
-- @reply [name: string, version: number, createdMs: number, dueMs: number, definition: string, progress: string] | []
-- @errors corruption schema_mismatch
return function(u, a)
  return records.get(u, a[1], a[2]) or {}
end
