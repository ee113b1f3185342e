--- The record of a schedule: empty where there is none.
-- @flags no-writes
-- @args name: string
-- @reply [name: string, label: string, version: number, dueMs: number, definition: string, progress: string, work: string] | []
-- @errors corruption schema_mismatch
return function(u, a)
  return schedules.get(u, a[1]) or {}
end
