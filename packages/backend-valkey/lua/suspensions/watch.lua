--- Asks an execution or a flow of the partition to tell somebody of its end. Answers whether there is anything to wait for.
-- @flags allow-oom
-- @brings nothing
-- @args namespace: string, child: string, watcher: string
-- @reply boolean
-- @errors corruption schema_mismatch
return function(u, a)
  local is_known = family.watch(u, a[1], a[2], a[3])
  flush.run(u)
  return is_known
end
