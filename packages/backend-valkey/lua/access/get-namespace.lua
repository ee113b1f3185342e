--- A namespace's settings, [label, accepting]; an empty answer when they were never put.
-- @flags no-writes
-- @args namespace: string
-- @reply unknown[]
-- @errors corruption schema_mismatch
return function(u, a)
  return directory.get(u, 'namespaces', a[1]) or {}
end
