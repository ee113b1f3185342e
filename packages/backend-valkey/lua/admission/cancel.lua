--- Cancels the holder of a quota's slot that is to make room, if it still runs under that lease.
-- @flags allow-oom
-- @brings terminal
-- @args namespace: string, execution: string, lease: string
-- @reply string
-- @errors corruption schema_mismatch
return function(u, a)
  local x = record.get(u, a[2])
  if demands.is_live(x, a[3]) and routes.of(u, x[X.rid]).ns == a[1] then
    transition.cancel(u, x, 'quota')
    resolve.fresh(u)
    flush.run(u)
  end
  return ''
end
