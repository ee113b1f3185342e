--- Asks an instance to stop claiming. Answers whether there is such a one in the namespace.
-- @flags allow-oom
-- @brings nothing
-- @args namespace: string, instance: string
-- @reply boolean
-- @errors corruption schema_mismatch
return function(u, a)
  local static, how = registries.worker(u, a[2])
  if not static or how[4] == registries.GOES or not registries.shares(static, { a[1] }) then return false end
  how[2] = 1
  registries.set_worker(u, a[2], how)
  return true
end
