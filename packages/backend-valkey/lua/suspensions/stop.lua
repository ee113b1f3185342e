--- Cancels an execution whose parent was stopped, unless it has ended or is gone.
-- @flags allow-oom
-- @brings terminal
-- @args namespace: string, execution: string
-- @reply string
-- @errors corruption schema_mismatch
return function(u, a)
  local x = record.get(u, a[2])
  if x and routes.of(u, x[X.rid]).ns == a[1] and not state.is_terminal(x) then
    transition.cancel(u, x, 'parent')
    resolve.fresh(u)
    flush.run(u)
  end
  return ''
end
