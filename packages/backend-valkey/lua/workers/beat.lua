--- An instance lives, and so many attempts run on it. Answers whether it is known in these namespaces, and whether it is to drain.
-- @flags allow-oom
-- @brings nothing
-- @args instance: string, namespaces: string[], active: int
-- @reply [isKnown: boolean, draining: boolean]
-- @errors corruption schema_mismatch
return function(u, a)
  local static, how = registries.worker(u, a[1])
  if not static or how[4] == registries.GOES or not registries.shares(static, a[2]) then return { false, false } end
  how[1], how[3], how[5] = a[3], u.now, registries.LIBRARY
  registries.set_worker(u, a[1], how)
  return { true, how[2] == 1 }
end
