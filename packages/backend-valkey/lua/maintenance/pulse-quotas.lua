--- When the next work of a partition of the quota family is due: of its schedules and of its bulk operations (0: none).
-- @flags no-writes
-- @args
-- @reply [schedulesDueMs: number, operationsDueMs: number]
-- @errors corruption schema_mismatch
return function(u)
  return { schedules.first(u), operations.first(u) }
end
