--- These receivers of an entry of the outbox were told. Answers whether others are left; else the entry goes.
-- @flags allow-oom
-- @brings nothing
-- @args entry: string, receivers: string[]
-- @reply boolean
-- @errors corruption schema_mismatch
local function rest_of(u, key, receivers)
  for _, id in ipairs(receivers) do flush.staged(u).cut(key, id) end
  local known = 0
  for _, id in ipairs(receivers) do
    if redis.call('ZSCORE', key, id) then known = known + 1 end
  end
  return redis.call('ZCARD', key) - known
end

return function(u, a)
  local item = outbox.read(u, { a[1] })[a[1]]
  if not item or type(item[8]) ~= 'table' then return false end
  local what, rest = item[8], 0
  if item[1] == 'e' and not family.is_past(u, what[2], what[3]) then
    rest = rest_of(u, family.watchers(u, what[2]), a[2])
    if rest == 0 then family.unwatch(u, what[2]) end
  elseif item[1] == 't' then
    local x = record.get(u, string.sub(what[2], -36))
    if family.is_to_stop(x, what[3]) then rest = rest_of(u, waits.key(u, x, 'to_stop'), a[2]) end
  end
  if rest == 0 then outbox.remove(u, a[1]) end
  flush.run(u)
  return rest > 0
end
