--- How many executions of a namespace there are in the partition, by lane, kind and states alone: the sum of a few counts.
-- @flags no-writes
-- @args namespace: string, lane: string, kind: string, states: string
-- @reply int
-- @errors corruption schema_mismatch
return function(u, a)
  local n = 0
  local counts = redis.call('HGETALL', u.key.idx .. 'counts')
  for place = 1, #counts, 2 do
    local rid, letter = string.match(counts[place], '^(.+)%.(%a)$')
    if rid == nil then call.refuse('corruption', u.key.idx .. 'counts ' .. counts[place]) end
    local route = routes.of(u, rid)
    if letter ~= project.HIDDEN and route.ns == a[1] and (a[2] == '' or route.lane == a[2])
      and (a[3] == '' or route.kind == a[3]) and (a[4] == '' or string.find(a[4], letter, 1, true)) then
      n = n + tonumber(counts[place + 1])
    end
  end
  return n
end
