--- All copies have this version.
-- @flags allow-oom
-- @brings nothing
-- @args id: string, version: int
-- @reply string
-- @errors corruption schema_mismatch
return function(u, a)
  local settings = quotas.settings(u, a[1])
  if settings and settings[Q.version] == a[2] then flush.staged(u).cut(u.key.idx .. 'quotas_to_sync', a[1]) end
  for _, name in ipairs(resources.waited_of(u, 'q/' .. a[1] .. '/')) do resources.look_at(u, name, u.now) end
  resources.flush(u)
  return ''
end
