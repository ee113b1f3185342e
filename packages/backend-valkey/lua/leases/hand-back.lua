--- Takes back what an instance holds, as if its leases had run out now: at most so many, from a place among them on. What does not
-- decode is left.
-- @flags allow-oom
-- @brings nothing
-- @args instance: string, from: int, max: int
-- @reply [handedBack: int, left: int, more: boolean]
-- @errors corruption schema_mismatch invalid_arguments
return function(u, a)
  if a[3] == 0 then call.refuse('invalid_arguments', 'no leases') end
  local ids = redis.call('ZRANGE', u.key.idx .. 'instance:' .. a[1], a[2], a[2] + a[3] - 1)
  local bad, handed_back, left = {}, 0, 0
  record.load(u, ids, bad)
  for _, id in ipairs(ids) do
    local x = u.records[id]
    if bad[id] then
      left = left + 1
    elseif x and x[X.phase] == 'a' and x[X.attempt][A.instance] == a[1] then
      outcomes.lose_lease(u, x, 'l')
      handed_back = handed_back + 1
    else
      timers.drop_lease(u, a[1], id)
    end
  end
  timers.look_again(u, a[1])
  resolve.fresh(u)
  flush.run(u)
  if #ids < a[3] then served.abandon(u, a[1]) end
  return { handed_back, left, #ids == a[3] }
end
