--- A waitpoint by its id alone: its namespace, its execution and itself.
-- @flags no-writes
-- @args id: string
-- @reply [namespace: string, execution: string, waitpoint: [id: string, name: string, state: string, createdMs: number, expiresMs: number, signals: int]]
-- @errors corruption schema_mismatch not_found
return function(u, a)
  local owner = waitpoints.owner(u, a[1])
  local x = owner and record.get(u, owner)
  if not x then call.refuse('not_found', a[1]) end
  local row = waitpoints.read(u, x, a[1])
  if row == nil then call.refuse('corruption', waitpoints.key(u, a[1])) end
  return { routes.of(u, x[X.rid]).ns, owner, waitpoints.tell(u, x, a[1], row) }
end
