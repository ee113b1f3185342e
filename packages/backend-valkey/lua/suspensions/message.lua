--- What an entry of the outbox is to tell, and to whom: its next receivers, at most so many.
-- @flags no-writes
-- @args entry: string, max: int
-- @reply [kind: string, what: unknown[], receivers: string[]]
-- @errors corruption schema_mismatch
local function receivers_of(u, kind, what, max)
  if kind == 'e' then
    if family.is_past(u, what[2], what[3]) then return {} end
    return redis.call('ZRANGE', family.watchers(u, what[2]), 0, max - 1)
  end
  if kind ~= 't' then return {} end
  local x = record.get(u, string.sub(what[2], -36))
  if not family.is_to_stop(x, what[3]) then return {} end
  return redis.call('ZRANGE', waits.key(u, x, 'to_stop'), 0, max - 1)
end

return function(u, a)
  local item = outbox.read(u, { a[1] })[a[1]]
  if item == nil then return { '', {}, {} } end
  if not item or type(item[8]) ~= 'table' then call.refuse('corruption', u.key.idx .. 'outbox ' .. a[1]) end
  return { item[1], item[8], receivers_of(u, item[1], item[8], a[2]) }
end
