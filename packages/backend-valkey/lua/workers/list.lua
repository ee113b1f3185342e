--- All worker instances that have not said goodbye.
-- @flags no-writes
-- @args
-- @reply [instance: string, namespaces: string[], text: string, registeredMs: int, active: int, draining: boolean, seenMs: int][]
-- @errors corruption schema_mismatch
return function(u)
  local how, static = registries.workers(u)
  local list = {}
  for instance, each in pairs(how) do
    if static[instance] and each[4] ~= registries.GOES then
      local own = registries.decode(registries.workers_key(u), static[instance])
      list[#list + 1] = { instance, own[1], own[2], own[3], each[1], each[2] == 1, each[3] }
    end
  end
  return list
end
