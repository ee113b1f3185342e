--- When the next work of a partition of the quota family is due: of its schedules (0: none).
-- @flags no-writes
-- @args
-- @reply [schedulesDueMs: number]
-- @errors corruption schema_mismatch
return function(u)
  return { schedules.first(u) }
end
