--- An instance says goodbye: nobody is told of it any more, and it goes when its leases were handed back. `seenMs` names this
-- goodbye for `settle`.
-- @flags allow-oom
-- @brings nothing
-- @args instance: string, namespaces: string[]
-- @reply [isKnown: boolean, draining: boolean, seenMs: int]
-- @errors corruption schema_mismatch
return function(u, a)
  local static, how = registries.worker(u, a[1])
  if not static or not registries.shares(static, a[2]) then return { false, false, 0 } end
  if how[4] ~= registries.GOES then
    how[3], how[4] = u.now, registries.GOES
    registries.set_worker(u, a[1], how)
  end
  return { true, how[2] == 1, how[3] }
end
