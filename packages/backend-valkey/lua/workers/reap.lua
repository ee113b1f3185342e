--- Removes instances that were silent for so long, in the order of their ids. Those that owe leases are only named: they go when
-- these were handed back.
-- @flags allow-oom
-- @brings nothing
-- @args silentMs: int, max: int
-- @reply [removed: string[], owing: [instance: string, owes: int, seenMs: int][], more: boolean]
-- @errors corruption schema_mismatch
return function(u, a)
  local how = registries.workers(u)
  local dead, fields, removed, owing = {}, {}, {}, {}
  for instance, each in pairs(how) do
    if each[3] <= u.now - a[1] then dead[#dead + 1] = instance end
  end
  table.sort(dead)
  for place = 1, math.min(#dead, a[2]) do
    local instance = dead[place]
    local each = how[instance]
    if each[4] == registries.NOTHING then
      removed[#removed + 1] = instance
      fields[#fields + 1] = instance
      fields[#fields + 1] = instance .. '.'
    else
      owing[#owing + 1] = { instance, each[4], each[3] }
    end
  end
  for from = 1, #fields, 1000 do
    redis.call('HDEL', registries.workers_key(u), unpack(fields, from, math.min(from + 999, #fields)))
  end
  return { removed, owing, #dead > a[2] }
end
