--- An engine lives, or goes. Answers who was seen within so many ms; who was not seen for a day is forgotten.
-- @flags allow-oom
-- @brings nothing
-- @args engine: string, label: string, goes: boolean, aliveMs: int
-- @reply [nowMs: int, engines: [engine: string, label: string, startedMs: int, seenMs: int][]]
-- @errors corruption schema_mismatch
return function(u, a)
  local FORGOTTEN_MS = 86400000
  local key, alive, gone, started = registries.engines_key(u), {}, {}, u.now
  for _, each in ipairs(registries.engines(u)) do
    if each[1] == a[1] then started = each[3]
    elseif each[4] < u.now - FORGOTTEN_MS then
      if #gone < 1000 then gone[#gone + 1] = each[1] end
    elseif each[4] > u.now - a[4] then alive[#alive + 1] = { each[1], each[2], each[3], each[4] } end
  end
  if a[3] then
    gone[#gone + 1] = a[1]
  else
    alive[#alive + 1] = { a[1], a[2], started, u.now }
    redis.call('HSET', key, a[1], cmsgpack.pack({ a[2], started, u.now, registries.LIBRARY }))
  end
  if #gone > 0 then redis.call('HDEL', key, unpack(gone)) end
  return { u.now, alive }
end
