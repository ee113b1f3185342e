--- Gives back slots of a capped lane that the partition does not use. Answers the number of the last message that it follows, 0
-- where the cap is another by now, and how many the home must reckon with as of then.
-- @flags allow-oom
-- @brings nothing
-- @args namespace: string, lane: string, epoch: int, seq: int
-- @reply [seq: int, active: int]
-- @errors corruption schema_mismatch
return function(u, a)
  local seq, active = lanes.lower(u, lanes.of(u, a[1] .. '/' .. a[2]), a[3], a[4])
  flush.run(u)
  return { seq, active }
end
