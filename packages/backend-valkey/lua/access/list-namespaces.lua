--- Up to `max` namespaces that were put, behind that one by name, and whether there are more.
-- @flags no-writes
-- @args after: string, max: int
-- @reply [namespaces: [namespace: string, record: unknown[]][], more: boolean]
-- @errors corruption schema_mismatch
return function(u, a)
  local names, more = directory.places(u, 'namespaces', a[1], math.min(a[2], 1000))
  return { directory.records(u, 'namespaces', names), more }
end
