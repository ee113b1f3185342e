--- Brings a quota's settings to a partition where they count keys, unless a later version is there. Those who wait for its keys there are looked at.
-- @brings nothing
-- @args id: string, settings: [version: int, ns: string, created: int, content: string, label: string, units: int, window: int, concurrency: int, strategy: string, past: string]
-- @reply string
-- @errors corruption schema_mismatch
return function(u, a)
  local known = quotas.settings(u, a[1])
  if not known or known[Q.version] < a[2][Q.version] then quotas.put_settings(u, a[1], a[2]) end
  for _, name in ipairs(resources.waited_of(u, 'q/' .. a[1] .. '/')) do resources.look_at(u, name, u.now) end
  resources.flush(u)
  return ''
end
