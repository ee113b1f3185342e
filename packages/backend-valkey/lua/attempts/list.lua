--- Attempts of an execution from an index on, at most so many; fewer when they are long. The bytes are one packed attempt each.
-- @flags no-writes
-- @args namespace: string, id: string, from: int, limit: int
-- @reply [total: int]
-- @errors corruption schema_mismatch not_found
return function(u, a)
  local BYTES_MAX = 4194304
  local x = operators.find(u, a[1], a[2])
  local last = x[X.attempts] - 1
  local indexes, bytes, size = {}, {}, 0
  for index = a[3], math.min(a[3] + a[4], last) - 1 do indexes[#indexes + 1] = index end
  local earlier = #indexes > 0 and redis.call('HMGET', attempts.key(u, a[2]), unpack(indexes)) or {}
  for place = 1, math.min(a[4], last + 1 - a[3]) do
    local text = a[3] + place - 1 == last and cmsgpack.pack(x[X.attempt]) or earlier[place]
    if not text then call.refuse('corruption', attempts.key(u, a[2])) end
    size = size + #text
    if place > 1 and size > BYTES_MAX then break end
    bytes[place] = text
  end
  return { last + 1 }, bytes
end
