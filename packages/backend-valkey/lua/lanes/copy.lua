--- Brings the partition's copy of a lane up to its home record, unless it is there already or beyond. Answers what the copy is
-- at then, by which change, and how many executions of a capped lane run here.
-- @flags allow-oom
-- @brings nothing
-- @args namespace: string, lane: string, record: unknown
-- @reply [version: int, change: string, epoch: int, active: int]
-- @errors corruption schema_mismatch invalid_arguments
return function(u, a)
  if not lanes.is_record(a[3]) then call.refuse('invalid_arguments', 'a lane') end
  local copy = lanes.take_over(u, a[1] .. '/' .. a[2], a[3])
  flush.run(u)
  return { copy[L.version], copy[L.request], copy[L.epoch], copy[L.active] }
end
