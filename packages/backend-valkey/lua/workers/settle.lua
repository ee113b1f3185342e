--- What an instance owed was handed back: it stays without debts, or goes. Does nothing when it owes something else by now, or,
-- where `seenMs` is given, was seen since.
-- @flags allow-oom
-- @brings nothing
-- @args instance: string, owes: int, seenMs: int, goes: boolean
-- @reply boolean
-- @errors corruption schema_mismatch
return function(u, a)
  local static, how = registries.worker(u, a[1])
  if not static or how[4] ~= a[2] or (a[3] > 0 and how[3] ~= a[3]) then return false end
  if a[4] then
    registries.remove_worker(u, a[1])
  else
    how[4] = registries.NOTHING
    registries.set_worker(u, a[1], how)
  end
  return true
end
