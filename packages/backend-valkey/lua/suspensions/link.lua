--- Tells an execution of a child that names it as its parent.
-- @flags allow-oom
-- @brings submit
-- @args namespace: string, execution: string, child: string, isDetached: boolean
-- @reply string
-- @errors corruption schema_mismatch
return function(u, a)
  local x = record.get(u, a[2])
  if x and routes.of(u, x[X.rid]).ns == a[1] then
    family.link(u, x, a[3], a[4])
    flush.run(u)
  end
  return ''
end
