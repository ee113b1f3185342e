--- Changes of lanes that were begun and, as far as is known, not finished, oldest first, with the time of their beginning.
-- @flags no-writes
-- @args max: int
-- @reply [note: string, atMs: number][]
-- @errors schema_mismatch
return function(u, a)
  local list = {}
  local found = redis.call('ZRANGE', u.key.idx .. 'lanes_to_sync', 0, a[1] - 1, 'WITHSCORES')
  for place = 1, #found, 2 do list[#list + 1] = { found[place], tonumber(found[place + 1]) } end
  return list
end
