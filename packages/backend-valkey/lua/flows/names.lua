--- Which of these names members have already. Names are gathered before it can be said, some members a call: an answer that
-- is not final is asked for again.
-- @flags
-- @brings nothing
-- @args namespace: string, id: string, names: string[], max: int
-- @reply [isFinal: boolean, taken: string[]]
-- @errors corruption schema_mismatch not_found
return function(u, a)
  local f = flows.find(u, a[1], a[2])
  if f[F.named] < f[F.members] then
    flows.touch(u, f)
    local ids = members.ids(u, a[2], f[F.named] + 1, math.min(f[F.named] + a[4], f[F.members]))
    record.load(u, ids)
    for _, id in ipairs(ids) do
      local x = record.require(u, id)
      if x[X.name] ~= '' then u.names[#u.names + 1] = { flows.key(u, a[2], 'names'), x[X.name] } end
    end
    f[F.named] = f[F.named] + #ids
    flush.run(u)
    return { false, {} }
  end
  local taken = {}
  if #a[3] == 0 then return { true, taken } end
  local found = redis.call('HMGET', flows.key(u, a[2], 'names'), unpack(a[3]))
  for place, name in ipairs(a[3]) do
    if found[place] then taken[#taken + 1] = name end
  end
  return { true, taken }
end
