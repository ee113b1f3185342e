--- An operator takes a lease away, as if it had expired now.
-- @flags allow-oom
-- @brings record
-- @args namespace: string, id: string
-- @reply unknown[]
-- @errors corruption schema_mismatch not_found
return function(u, a)
  local x = operators.find(u, a[1], a[2])
  if x[X.phase] ~= 'a' then
    local attempt = x[X.attempt]
    local by = attempt ~= 0 and (attempt[A.by] ~= '' and attempt[A.by] or attempt[A.op] ~= '' and 'h') or ''
    return { 'execution_not_active', by, x[X.out] }
  end
  local word = outcomes.lose_lease(u, x, 'v')
  resolve.fresh(u)
  flush.run(u)
  return { 'revoked', word }
end
