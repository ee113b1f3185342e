--- How many executions of a namespace there are in the partition, by lane, kind and states alone: the sums of a few counts. Apart
-- by `by`: 'lane', 'kind', 'state' (told by its letter) or '' for all together.
-- @flags no-writes
-- @args namespace: string, lane: string, kind: string, states: string, by: string
-- @reply [name: string, count: int][]
-- @errors corruption schema_mismatch
return function(u, a)
  local sums = {}
  local counts = redis.call('HGETALL', u.key.idx .. 'counts')
  for place = 1, #counts, 2 do
    local rid, letter = string.match(counts[place], '^(.+)%.(%a)$')
    if rid == nil then call.refuse('corruption', u.key.idx .. 'counts ' .. counts[place]) end
    local route = routes.of(u, rid)
    if letter ~= project.HIDDEN and route.ns == a[1] and (a[2] == '' or route.lane == a[2])
      and (a[3] == '' or route.kind == a[3]) and (a[4] == '' or string.find(a[4], letter, 1, true)) then
      local group = a[5] == 'state' and letter or a[5] == 'lane' and route.lane or a[5] == 'kind' and route.kind or ''
      sums[group] = (sums[group] or 0) + tonumber(counts[place + 1])
    end
  end
  return filter.groups(sums)
end
