--- Records a namespace's settings. Answers 'created', 'changed', 'unchanged', or 'full'.
-- @flags
-- @repeat request
-- @brings record
-- @args namespace: string, label: string, accepting: boolean
-- @reply string
-- @errors corruption schema_mismatch
return function(u, a)
  directory.open(u, 'namespaces')
  local known = directory.get(u, 'namespaces', a[1])
  if known and known[1] == a[2] and known[2] == a[3] then return 'unchanged' end
  if not known and directory.is_full(u, 'namespaces') then return 'full' end
  directory.set(u, 'namespaces', a[1], { a[2], a[3] })
  directory.list_by(u, 'namespaces', a[1])
  return known and 'changed' or 'created'
end
